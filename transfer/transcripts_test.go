package transfer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"iter"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/internal/recorded"
	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/wire"
)

// A role is one side of a transcript, taken by our server or our client.
//
// The other side is played from the record: its bytes are sent, ours must be
// the recorded ones, up to the step where ours differ. From there the other
// side is silent and closes, and instead is what we send.
type role struct {
	files   map[string][]byte // the server's folder, or the client's
	dirs    []string
	act     func(t *testing.T, cl *Client, dir string) error // the client's part
	differs bool
	steps   int // if it differs: how many steps are as recorded
	instead string
	cut     bool                 // the server's transfer fails
	err     func(err error) bool // what the client returns; nil: no error
	left    map[string][]byte    // the folder in the end, besides what was there
}

func framed(kind string, fields ...field) string {
	l := newLetter(kind, fields...)
	return string(append(binary.BigEndian.AppendUint32(nil, uint32(len(l))), l...))
}

func rejection(reason string) string { return framed(typeRejected, field{keyReason, reason}) }

func upload(local, remote string) func(*testing.T, *Client, string) error {
	return func(t *testing.T, cl *Client, dir string) error {
		return cl.Upload(soon(t), filepath.Join(dir, local), remote)
	}
}

func download(remote, local string) func(*testing.T, *Client, string) error {
	return func(t *testing.T, cl *Client, dir string) error {
		return cl.Download(soon(t), remote, filepath.Join(dir, local))
	}
}

func rejectedWith(reason string) func(error) bool {
	return func(err error) bool {
		var rejected *RejectedError
		return errors.As(err, &rejected) && rejected.Reason == reason
	}
}

func says(text string) func(error) bool {
	return func(err error) bool { return strings.Contains(err.Error(), text) }
}

type files = map[string][]byte

const (
	missing = "[Errno 2] No such file or directory: 'missing/x.bin'"
	nothing = "[Errno 2] No such file or directory: 'nothing.bin'"
	odd     = "dätei € 😀 \"q\" \\b.bin"
)

// up is a sound upload of n bytes; down a sound download.
func up(n int, name string) map[wire.Role]role {
	return map[wire.Role]role{
		wire.Accepting: {left: files{name: mix(n)}},
		wire.Dialing:   {files: files{"local": mix(n)}, act: upload("local", name)},
	}
}

func down(n int) map[wire.Role]role {
	return map[wire.Role]role{
		wire.Accepting: {files: files{"remote.bin": mix(n)}},
		wire.Dialing:   {act: download("remote.bin", "local"), left: files{"local": mix(n)}},
	}
}

func server(r role) map[wire.Role]role { return map[wire.Role]role{wire.Accepting: r} }
func client(r role) map[wire.Role]role { return map[wire.Role]role{wire.Dialing: r} }

// transcripts says for each transcript which sides we take and where we do
// better.
var transcripts = map[string]map[wire.Role]role{
	"download_9m":              down(9 << 20),
	"download_chunk_plus_one":  down(4<<20 + 1),
	"download_one_chunk":       down(4 << 20),
	"download_small":           down(300),
	"download_zero":            down(0),
	"upload_9m":                up(9<<20, "remote.bin"),
	"upload_chunk_plus_one":    up(4<<20+1, "remote.bin"),
	"upload_chunk_size_option": up(5000, "remote.bin"),
	"upload_one_chunk":         up(4<<20, "remote.bin"),
	"upload_small":             up(300, "remote.bin"),
	"upload_unicode_name":      up(5, odd),
	"upload_zero":              up(0, "remote.bin"),

	"download_missing": {
		wire.Accepting: {},
		wire.Dialing:   {act: download("nothing.bin", "local"), err: rejectedWith(nothing)},
	},
	"upload_rejected": {
		wire.Accepting: {},
		wire.Dialing:   {files: files{"local": mix(10)}, act: upload("local", "missing/x.bin"), err: rejectedWith(missing)},
	},
	"upload_to_directory": {
		wire.Accepting: {dirs: []string{"dir"}},
		wire.Dialing:   {files: files{"local": mix(4)}, act: upload("local", "dir"), err: rejectedWith("[Errno 21] Is a directory: 'dir'")},
	},
	// The original dies without an answer. We reject; our client does not
	// wait for ever.
	"download_directory": {
		wire.Accepting: {dirs: []string{"dir"}, differs: true, steps: 5, instead: rejection("[Errno 21] Is a directory: 'dir'")},
		wire.Dialing: {err: func(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) },
			act: func(t *testing.T, cl *Client, dir string) error {
				cl.Stall = time.Second
				return download("dir", "local")(t, cl, dir)
			}},
	},
	// The original accepts the download and dies. We ask for nothing.
	"download_bad_local": {
		wire.Accepting: {files: files{"remote.bin": mix(300)}, differs: true, steps: 12, instead: string(mix(300))},
		wire.Dialing: {act: download("remote.bin", "missing/local.bin"), differs: true, steps: 2,
			instead: framed(typeClose), err: func(err error) bool { return errors.Is(err, os.ErrNotExist) }},
	},

	"raw_download_confirmed_by_subtype": server(role{files: files{"f.bin": []byte("data")}}),
	"raw_download_refused":              server(role{files: files{"f.bin": []byte("data")}}),
	"raw_json_encodings":                server(role{}),
	"raw_json_forms":                    server(role{left: files{"f.bin": []byte("abc")}}),
	"raw_small_chunks":                  server(role{left: files{"f.bin": []byte("abcdefghij")}}),
	"raw_two_requests":                  server(role{left: files{"f.bin": []byte("hello")}}),

	// The original's thread dies, some of these times after a confirmation.
	"raw_empty_message":    server(role{differs: true, steps: 4, instead: rejection(`"" is no letter of tpft: unexpected end of JSON input`)}),
	"raw_not_json":         server(role{differs: true, steps: 5, instead: rejection(`"hello" is no letter of tpft: invalid character 'h' looking for beginning of value`)}),
	"raw_no_type":          server(role{differs: true, steps: 5, instead: rejection(`"{\"letter\":{}}" is no letter of tpft: "type" or "letter" is missing`)}),
	"raw_not_object":       server(role{differs: true, steps: 5, instead: rejection(`"[1]" is no letter of tpft: json: cannot unmarshal array into Go value of type map[string]json.RawMessage`)}),
	"raw_upload_no_path":   server(role{differs: true, steps: 5, instead: rejection("destination_path is missing")}),
	"raw_upload_no_size":   server(role{differs: true, steps: 5, instead: rejection("file_size is missing")}),
	"raw_upload_size_text": server(role{differs: true, steps: 5, instead: rejection(`file_size is "5", which is no whole number of bytes`)}),
	// The original makes an empty file.
	"raw_upload_size_negative": server(role{differs: true, steps: 5, instead: rejection("file_size is negative: -1")}),
	// The original writes it.
	"raw_path_outside": server(role{differs: true, steps: 5, instead: rejection(`".." is not served, give a path inside the served folder: '../escaped.bin'`)}),
	// The original takes all six bytes for the file.
	"raw_upload_overshoot": server(role{differs: true, steps: 11, instead: rejection("a message of 6 bytes where 2 were left of the file")}),
	// The original takes the six bytes and four zeros for the file.
	"raw_upload_cut_corrupts": server(role{differs: true, steps: 11, cut: true}),
	// The original leaves the piece under the file's name.
	"raw_upload_cut_short": server(role{cut: true, left: files{"f.bin" + PartSuffix: []byte("abc")}}),

	// The original writes eight bytes for six.
	"rawserver_download_chunks": client(role{act: download("f.bin", "local"), differs: true, steps: 18,
		err: says("a message of 5 bytes where 3 were left of the file"), left: files{"local" + PartSuffix: []byte("abc")}}),
	// The original says nothing to its user, here and in the next two.
	"rawserver_download_plain_confirm": client(role{act: download("f.bin", "local"),
		err: says(`the server answers with "confirmed", which is not the letter that is due`)}),
	"rawserver_unknown_answer": client(role{files: files{"local": []byte("data")}, act: upload("local", "f.bin"),
		err: says(`the server answers with "maybe", which is not the letter that is due`)}),
	"rawserver_upload_final_rejected":   client(role{files: files{"local": []byte("data")}, act: upload("local", "f.bin"), err: rejectedWith("disk full")}),
	"rawserver_upload_subtype_confirms": client(role{files: files{"local": []byte("data")}, act: upload("local", "f.bin")}),
}

// Verifies: TPFT-01, TPFT-02, TPFT-03, TPFT-04, TPFT-05, TPFT-06, TPFT-07, TPFT-08, TPFT-11, TPFT-12, TPFT-13, TPFT-14, TPFT-18, TPFT-19
func TestTranscripts(t *testing.T) {
	all := recorded.Load(t, "tpft")
	if len(all) != len(transcripts) {
		t.Errorf("%d transcripts, %d are classified", len(all), len(transcripts))
	}
	for _, tr := range all {
		sides := transcripts[tr.Name]
		if want := map[string]int{"original": 1}[tr.Client] + map[string]int{"original": 1}[tr.Server]; len(sides) < want {
			t.Errorf("%s has %d sides of an original, %d are taken", tr.Name, want, len(sides))
		}
		for side, r := range sides {
			for name, limits := range map[string]parley.Limits{"in memory": {}, "streamed": {MaxMessage: 200}} {
				t.Run(tr.Name+"/"+side.String()+"/"+name, func(t *testing.T) {
					p := &player{tr: tr, role: r, side: side}
					p.run(t, limits, false)
				})
			}
			if len(tr.Stream(0, side.Peer())) > 10_000 {
				continue // not byte by byte
			}
			t.Run(tr.Name+"/"+side.String()+"/bytewise", func(t *testing.T) {
				p := &player{tr: tr, role: r, side: side}
				p.run(t, parley.Limits{}, true)
			})
		}
	}
}

// player plays the other side of a transcript.
type player struct {
	role
	tr       recorded.Transcript
	side     wire.Role // ours
	bytewise bool
}

// pieces returns what to write at a time.
func (p *player) pieces(b []byte) iter.Seq[[]byte] {
	if p.bytewise {
		return slices.Chunk(b, 1)
	}
	return slices.Chunk(b, len(b))
}

func (p *player) run(t *testing.T, limits parley.Limits, bytewise bool) {
	p.bytewise = bytewise
	ts := serve(t, limits, nil)
	dir := ts.dir
	if p.side == wire.Dialing {
		dir = t.TempDir()
	}
	var names []string
	for name, b := range p.files {
		write(t, filepath.Join(dir, name), b)
		names = append(names, name)
	}
	for _, name := range p.dirs {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if p.side == wire.Accepting {
		nc, err := net.Dial("tcp", ts.addr)
		if err != nil {
			t.Fatal(err)
		}
		p.play(t, nc)
		if p.cut && ts.end(t).err == nil {
			t.Error("the server takes a transfer that was cut for complete")
		}
	} else {
		p.runClient(t, limits, dir)
	}
	for name, b := range p.left {
		sameFile(t, filepath.Join(dir, name), b)
		names = append(names, name)
	}
	tree(t, dir, names...)
}

// runClient runs our client against the player.
func (p *player) runClient(t *testing.T, limits parley.Limits, dir string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	played := make(chan struct{})
	go func() {
		defer close(played)
		nc, err := l.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		p.play(t, nc)
	}()
	d := parley.Dialer{Protocol: tinyproto.Protocol{}, Limits: limits}
	conn, err := d.Dial(soon(t), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	cl := &Client{Conn: conn, Plain: true}
	err = p.act(t, cl, dir)
	switch {
	case p.err == nil && err != nil:
		t.Error(err)
	case p.err != nil && (err == nil || !p.err(err)):
		t.Errorf("the client returns %v", err)
	}
	cl.Close()
	<-played
}

// play walks the steps. It reports with t.Error: it may run on any goroutine.
func (p *player) play(t *testing.T, nc net.Conn) {
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(patience))
	steps := p.tr.Steps
	if p.differs {
		steps = steps[:p.steps]
	}
	for i, s := range steps {
		if s.Event != "" {
			t.Errorf("step %d: %s is not expected in these transcripts", i, s.Event)
			return
		}
		if s.From != p.side {
			for b := range p.pieces(s.Bytes) {
				if _, err := nc.Write(b); err != nil {
					t.Errorf("step %d: %v", i, err)
					return
				}
			}
			continue
		}
		got := make([]byte, len(s.Bytes))
		if n, err := io.ReadFull(nc, got); err != nil || !bytes.Equal(got, s.Bytes) {
			t.Errorf("step %d: %.100q (%v), recorded are %.100q", i, got[:n], err, s.Bytes)
			return
		}
	}
	instead := make([]byte, len(p.instead))
	if n, err := io.ReadFull(nc, instead); err != nil || string(instead) != p.instead {
		t.Errorf("behind the record: %q (%v), want %q", instead[:n], err, p.instead)
	}
	if p.side == wire.Accepting || p.instead != "" {
		nc.(*net.TCPConn).CloseWrite()
	}
	if rest, err := io.ReadAll(nc); len(rest) > 0 || err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("behind all that: %q (%v), want the end", rest, err)
	}
}
