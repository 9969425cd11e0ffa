// Transfer-server serves the files of a folder: clients download what is in it
// and upload into it. Nothing outside can be reached. It shows how package
// transfer is plugged into a server.
//
//	go run ./examples/transfer-server -dir /tmp
//	go run ./examples/transfer-client upload README.md copy.md
//	go run ./examples/transfer-client download copy.md back.md
//
// The client may as well be the original:
//
//	python3 tpft.py -p README.md 127.0.0.1:8088:copy.md
//	python3 tpft.py -p 127.0.0.1:8088:copy.md back.md
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/tinyproto"
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
	flags := flag.NewFlagSet("transfer-server", flag.ExitOnError)
	addr := flags.String("addr", "127.0.0.1:8088", "listen on `host:port`")
	dir := flags.String("dir", ".", "serve this `folder`")
	flags.Parse(args)
	out := log.New(stdout, "", 0) // connections print concurrently

	root, err := os.OpenRoot(*dir)
	if err != nil {
		return err
	}
	defer root.Close()
	srv := &parley.Server{
		Protocol: tinyproto.Protocol{},
		Handler: &transfer.Server{
			Root:     root,
			Writable: true,
			OnEnd: func(_ *parley.Conn, t transfer.Transfer, err error) {
				if err != nil {
					out.Printf("%v: %v", t, err)
					return
				}
				out.Printf("%v: %d bytes", t, t.Size)
			},
		},
		Limits:   parley.Limits{MaxMessage: transfer.MaxLetter}, // files are streamed, not held in memory
		Timeouts: parley.Timeouts{Idle: 5 * time.Minute},
	}
	if err := srv.Listen(*addr); err != nil {
		return err
	}
	out.Println("listening on", srv.Addrs()[0])
	context.AfterFunc(ctx, func() { srv.Shutdown(context.Background()) })
	if err := srv.Serve(); !errors.Is(err, parley.ErrServerClosed) {
		return err
	}
	return nil
}
