// Transfer-client uploads or downloads a file and shows how far it is. Ctrl-C
// cancels; between this program and transfer-server the next attempt goes on
// where that one stopped. It shows package transfer's Client.
//
//	go run ./examples/transfer-server -dir /tmp
//	go run ./examples/transfer-client upload README.md copy.md
//	go run ./examples/transfer-client download copy.md back.md
//
// The server may as well be the original: python3 tpft.py -v -l 127.0.0.1
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/parley-net/parley/transfer"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("transfer-client", flag.ExitOnError)
	addr := flags.String("addr", "127.0.0.1:8088", "the server's `host:port`")
	flags.Parse(args)
	what, from, to := flags.Arg(0), flags.Arg(1), flags.Arg(2)
	if flags.NArg() != 3 || what != "upload" && what != "download" {
		return errors.New("use: transfer-client [-addr host:port] upload LOCAL REMOTE | download REMOTE LOCAL")
	}

	client, err := transfer.Dial(ctx, *addr)
	if err != nil {
		return err
	}
	defer client.Close()
	client.OnProgress = func(t transfer.Transfer) {
		percent := 100.0
		if t.Size > 0 {
			percent = 100 * float64(t.Done) / float64(t.Size)
		}
		fmt.Fprintf(stdout, "\rProgress: %.0f%%", percent)
	}
	if what == "upload" {
		err = client.Upload(ctx, from, to)
	} else {
		err = client.Download(ctx, from, to)
	}
	fmt.Fprintln(stdout)
	return err
}
