package demo

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/transfer"
)

// demoTransfer sends a file up and down again and compares the hashes.
func demoTransfer(ctx context.Context, s *stage) error {
	dir, err := os.MkdirTemp("", "parley-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	served := filepath.Join(dir, "served")
	if err := os.Mkdir(served, 0o700); err != nil {
		return err
	}
	data := make([]byte, 9<<20)
	for i := range data {
		data[i] = byte(i + i>>8 + i>>16)
	}
	original, copied := filepath.Join(dir, "original"), filepath.Join(dir, "copy")
	if err := os.WriteFile(original, data, 0o600); err != nil {
		return err
	}
	root, err := os.OpenRoot(served)
	if err != nil {
		return err
	}
	defer root.Close()

	files := &transfer.Server{Root: root, Writable: true}
	srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: files, Limits: parley.Limits{MaxMessage: transfer.MaxLetter}}
	addr, wait, err := s.serve(ctx, srv)
	if err != nil {
		return err
	}
	d := &parley.Dialer{Protocol: srv.Protocol, Limits: srv.Limits}
	c, err := s.dial(ctx, d, addr, "client")
	if err != nil {
		return err
	}
	client := &transfer.Client{Conn: c}
	if err := steps(
		func() error { return client.Upload(ctx, original, "results.dat") },
		func() error { return client.Download(ctx, "results.dat", copied) },
		func() error {
			var rejected *transfer.RejectedError
			if err := client.Download(ctx, "../original", filepath.Join(dir, "stolen")); !errors.As(err, &rejected) {
				return fmt.Errorf("a path out of the folder: %v, want it rejected", err)
			}
			return nil
		},
		client.Close,
		func() error { return srv.Shutdown(ctx) },
		wait,
	); err != nil {
		return err
	}
	got, err := os.ReadFile(copied)
	if err != nil {
		return err
	}
	want, have := sha256.Sum256(data), sha256.Sum256(got)
	if want != have {
		return fmt.Errorf("the copy has SHA-256 %x, the original %x", have, want)
	}
	fmt.Fprintf(s.w, "  %9s has its file of %d bytes back, SHA-256 %x… checked\n", "client", len(got), have[:8])
	return nil
}
