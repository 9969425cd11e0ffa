package browsertest

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// house is all that the pages can show: a door with a device, a camera, a room and a store,
// and two servers with --monitor.
type house struct {
	door, chat, files string // URLs
	chatAt            string // where tinyproto clients of the chat connect
	dir               string
}

// instrument answers with a number that moves.
func instrument(t *testing.T) (addr string) {
	var n atomic.Int64
	return parleytest.NewServer(t, &parley.Server{Protocol: oneline.Protocol{}, Handler: parley.HandlerFunc(
		func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			if strings.HasSuffix(m.Text(), "?") {
				return c.Send(ctx, parley.Text(number(math.Sin(float64(n.Add(1))/10))))
			}
			return c.Send(ctx, parley.Text("ok "+m.Text()))
		})})
}

func number(f float64) string { return string(parley.Float(math.Round(f*1e5) / 1e5).AppendText(nil)) }

// frames returns n images of size × size float32, a spot that moves.
func frames(n, size int) [][]byte {
	all := make([][]byte, n)
	for k := range all {
		b := make([]byte, 0, 4*size*size)
		cx, cy := float64(size)*(0.5+0.3*math.Cos(2*math.Pi*float64(k)/float64(n))), float64(size)*(0.5+0.3*math.Sin(2*math.Pi*float64(k)/float64(n)))
		for y := range size {
			for x := range size {
				dx, dy := (float64(x)-cx)/float64(size)*8, (float64(y)-cy)/float64(size)*8
				b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(100*math.Exp(-dx*dx-dy*dy))))
			}
		}
		all[k] = b
	}
	return all
}

// camera is a serpy2 server that shows images to whoever is there, rate a second.
func camera(t *testing.T, size, rate int) (addr string) {
	images := frames(16, size)
	srv := &parley.Server{Protocol: serpy2.Protocol{}, WhenSlow: parley.SlowDrop, Handler: parley.HandlerFunc(func(context.Context, *parley.Conn, parley.Message) error { return nil })}
	addr = parleytest.NewServer(t, srv)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Second / time.Duration(rate))
		defer tick.Stop()
		for k := 0; ; k++ {
			select {
			case <-tick.C:
				srv.Broadcast(parley.Bytes(images[k%len(images)]))
			case <-ctx.Done():
				return
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return addr
}

// build builds a house.
func build(t *testing.T) *house {
	t.Helper()
	dir := t.TempDir()
	h := &house{dir: dir}
	session := filepath.Join(dir, "session.jsonl")
	var lines strings.Builder
	for i := range 200 {
		at := float64(i*i) / 100
		fmt.Fprintf(&lines, "{\"ts\":%.2f,\"conn\":1,\"dir\":\"c2s\",\"kind\":\"text\",\"text\":\"MEAS:VOLT? (@%d)\"}\n{\"ts\":%.2f,\"conn\":1,\"dir\":\"s2c\",\"kind\":\"text\",\"text\":\"1.%d\"}\n", at, i, at, i)
	}
	if err := os.WriteFile(session, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	store := filepath.Join(dir, "lab.db")
	once(t, "import", store, session)
	h.door = start(t, "web", "--listen", "0", "--target", "psu1=oneline://"+instrument(t), "--target", "camera=serpy2://"+camera(t, 128, 30),
		"--room", "lab", "--store", store).url()
	chat := start(t, "serve", "tinyproto://127.0.0.1:0", "serpy2://127.0.0.1:0", "--relay", "--room", "cam1", "--monitor", "0")
	h.chat = chat.url()
	h.chatAt = chat.all(`listening on tinyproto://(\S+)`, 1)[0]
	if err := os.WriteFile(filepath.Join(dir, "big.bin"), make([]byte, 64<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	files := start(t, "serve", "tinyproto://127.0.0.1:0", "--files", dir, "--monitor", "0")
	h.files = files.url()
	// A client that takes its file slowly.
	h.slowDownload(t, files.all(`listening on tinyproto://(\S+)`, 1)[0])
	return h
}

// slowDownload asks for a file and reads no more than its socket takes.
func (h *house) slowDownload(t *testing.T, addr string) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	letter := `{"type":"download-request","letter":{"download_path":"big.bin"}}`
	b := binary.BigEndian.AppendUint32([]byte{0xff}, uint32(len(letter)))
	c.Write(append(b, letter...))
	// Hello, the OK of the letter, the confirmation; then ours.
	head := make([]byte, 6)
	if _, err := io.ReadFull(c, head); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, binary.BigEndian.Uint32(head[2:]))
	if _, err := io.ReadFull(c, body); err != nil {
		t.Fatal(err)
	}
	confirm := `{"type":"confirmed","letter":{}}`
	b = binary.BigEndian.AppendUint32([]byte{0xff}, uint32(len(confirm)))
	c.Write(append(b, confirm...))
	head = head[:5] // the OK of that, and the size of the first data
	if _, err := io.ReadFull(c, head); err != nil {
		t.Fatal(err)
	}
	c.Write([]byte{0xff})
	go func() { // a little at a time
		buf := make([]byte, 16<<10)
		for {
			if _, err := c.Read(buf); err != nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
}

// join puts a client into the chat.
func (h *house) join(t *testing.T) *parley.Conn {
	t.Helper()
	c, err := parley.Dial(t.Context(), tinyproto.Protocol{}, h.chatAt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}
