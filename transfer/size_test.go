package transfer

import (
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/tinyproto"
)

// askSizes asks for the sizes of a file, of one that is missing and of the
// file again.
func askSizes(t *testing.T, cl *Client) {
	t.Helper()
	for range 2 {
		if n, err := cl.Size(soon(t), "f"); n != 300 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		var rejected *RejectedError
		if _, err := cl.Size(soon(t), "missing"); !errors.As(err, &rejected) || !strings.HasPrefix(rejected.Reason, "[Errno 2]") {
			t.Error(err)
		}
	}
}

// To ask for a size is no transfer, and leaves the connection ready for one.
func TestSize(t *testing.T) {
	ts := serve(t, parley.Limits{}, nil)
	write(t, ts.path("f"), mix(300))
	cl := ts.dial(t)
	askSizes(t, cl)
	for range 2 {
		if e := ts.end(t); e.err == nil || e.Done != 0 {
			t.Errorf("%+v", e)
		}
	}
	down := t.TempDir() + "/down"
	if err := cl.Download(soon(t), "f", down); err != nil {
		t.Fatal(err)
	}
	sameFile(t, down, mix(300))
	if log := ts.log.String(); !strings.Contains(log, `level=INFO msg="transfer declined"`) || strings.Contains(log, "WARN") {
		t.Error(log)
	}
}

func TestOriginalServerSize(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/f", mix(300))
	cl, err := Dial(soon(t), originalServer(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	askSizes(t, cl)
	if err := cl.Download(soon(t), "f", dir+"/down"); err != nil {
		t.Fatal(err)
	}
	sameFile(t, dir+"/down", mix(300))
}

// wrapped counts how often the wrapped connection is told to end with a reset.
type wrapped struct {
	net.Conn
	resets *atomic.Int32
}

func (w wrapped) SetLinger(sec int) error {
	w.resets.Add(1)
	return w.Conn.(*net.TCPConn).SetLinger(sec)
}

// A transfer that is cut ends with a reset also where the program has wrapped
// the connection.
func TestCutOnAWrappedConnection(t *testing.T) {
	ts := serve(t, parley.Limits{}, func(s *Server) { s.OnProgress = nil })
	nc, err := net.Dial("tcp", ts.addr)
	if err != nil {
		t.Fatal(err)
	}
	w := wrapped{nc, new(atomic.Int32)}
	c, err := (&parley.Dialer{Protocol: tinyproto.Protocol{}}).NewConn(soon(t), w)
	if err != nil {
		t.Fatal(err)
	}
	cl := &Client{Conn: c}
	cl.OnProgress = func(Transfer) { cl.abort() }
	err = cl.UploadFrom(soon(t), strings.NewReader("data"), 4, "f")
	if err == nil || w.resets.Load() == 0 {
		t.Errorf("%v, %d resets", err, w.resets.Load())
	}
	if err := ts.end(t).err; err == nil {
		t.Error("the server takes it for the whole file")
	}
}
