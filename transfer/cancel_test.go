package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/parley-net/parley"
)

// Verifies: TPFT-14, TPFT-16
func TestCancel(t *testing.T) {
	for _, upload := range []bool{true, false} {
		t.Run(fmt.Sprint("upload=", upload), func(t *testing.T) {
			ts := serve(t, parley.Limits{}, nil)
			data := mix(3 << 20)
			local := t.TempDir()
			up := write(t, filepath.Join(local, "up"), data)
			write(t, ts.path("down"), data)
			cl := ts.dial(t)
			cl.MessageSize = 1 << 20
			ts.MessageSize = 1 << 20
			ctx, cancel := context.WithCancelCause(soon(t))
			enough := errors.New("enough")
			cl.OnProgress = func(tr Transfer) {
				if tr.Done > 2<<20 {
					cancel(enough)
				}
			}
			transfer := func(ctx context.Context, cl *Client) error {
				if upload {
					return cl.Upload(ctx, up, "up")
				}
				return cl.Download(ctx, "down", filepath.Join(local, "down"))
			}
			// All may have left when the end is noticed: then it has arrived.
			if err := transfer(ctx, cl); err != nil {
				if !errors.Is(err, enough) {
					t.Fatal(err)
				}
				if cl.Conn.Err() == nil {
					t.Error("the connection lives")
				}
				if err := transfer(soon(t), cl); !errors.Is(err, enough) {
					t.Errorf("a second transfer on the dead connection: %v", err)
				}
			}
			cl2 := ts.dial(t)
			cl2.Overwrite = true
			if err := transfer(soon(t), cl2); err != nil {
				t.Fatal(err)
			}
			sameFile(t, ts.path(map[bool]string{true: "up", false: "down"}[upload]), data)
			sameFile(t, filepath.Join(local, map[bool]string{true: "up", false: "down"}[upload]), data)
			if err := transfer(ctx, cl2); !errors.Is(err, enough) || cl2.Conn.Err() != nil {
				t.Errorf("with a context that has ended: %v, connection: %v", err, cl2.Conn.Err())
			}
		})
	}
}

// A server that is shut down in the middle of a file leaves what has come.
//
// Verifies: TPFT-14
func TestShutdown(t *testing.T) {
	ts := serve(t, parley.Limits{}, nil)
	cl := ts.dial(t)
	cl.MessageSize = 1000
	cl.OnProgress = func(tr Transfer) {
		if tr.Done == 5000 {
			ts.srv.Close()
		}
	}
	if err := cl.UploadFrom(soon(t), bytes.NewReader(mix(10_000)), 10_000, "f"); err == nil {
		t.Error("the upload is complete")
	}
	if e := ts.end(t); !errors.Is(e.err, parley.ErrServerClosed) {
		t.Error(e.err)
	}
	if b, err := os.ReadFile(ts.path("f" + PartSuffix)); err == nil && !bytes.Equal(b, mix(10_000)[:len(b)]) {
		t.Error("the partial file has other bytes")
	}
	if _, err := os.Stat(ts.path("f")); err == nil {
		t.Error("the file has its name")
	}
}
