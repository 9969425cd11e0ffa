package transfer_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/transfer"
)

func Example() {
	dir, err := os.MkdirTemp("", "transfer")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	// The server's folder. Clients may read and write it, and nothing else.
	root, err := os.OpenRoot(dir)
	if err != nil {
		log.Fatal(err)
	}
	defer root.Close()
	srv := &parley.Server{
		Protocol: tinyproto.Protocol{},
		Handler: &transfer.Server{
			Root:     root,
			Writable: true,
			OnEnd: func(_ *parley.Conn, t transfer.Transfer, err error) {
				fmt.Println("server:", t, "ended with", err)
			},
		},
		Limits:   parley.Limits{MaxMessage: transfer.MaxLetter},
		Timeouts: parley.Timeouts{Idle: 5 * time.Minute},
	}
	if err := srv.Listen("127.0.0.1:0"); err != nil {
		log.Fatal(err)
	}
	go srv.Serve()
	defer srv.Close()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := transfer.Dial(ctx, srv.Addrs()[0].String())
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	local := filepath.Join(dir, "local.txt")
	if err := os.WriteFile(local, []byte("Guten Tag"), 0o644); err != nil {
		log.Fatal(err)
	}
	if err := c.Upload(ctx, local, "remote.txt"); err != nil {
		log.Fatal(err)
	}
	err = c.Download(ctx, "missing.txt", local)
	fmt.Println("a local file stays:", err != nil)
	err = c.Download(ctx, "missing.txt", local+".new")
	var rejected *transfer.RejectedError
	fmt.Println(errors.As(err, &rejected), err)
	// Output:
	// server: upload of "remote.txt" ended with <nil>
	// a local file stays: true
	// true transfer: download of "missing.txt" rejected: [Errno 2] No such file or directory: 'missing.txt'
}
