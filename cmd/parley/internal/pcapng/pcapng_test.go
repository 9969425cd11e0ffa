package pcapng

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/parley-net/parley/cmd/parley/internal/pcapng/pcapngtest"
)

var began = time.Date(2026, 11, 20, 10, 37, 1, 123456789, time.UTC)

// sample writes two connections, one of each IP version, and returns the file
// and what each end has sent.
func sample(t testing.TB) (file []byte, streams map[string]string) {
	var b bytes.Buffer
	w := NewWriter(&b, "parley test", "oneline://127.0.0.1:5001")
	at := began
	tick := func() time.Time { at = at.Add(1500 * time.Nanosecond); return at }
	big := strings.Repeat("0123456789abcdef", 5000) // more than two segments

	four := w.Open(tick(), netip.MustParseAddrPort("10.0.0.1:40000"), netip.MustParseAddrPort("10.0.0.2:5001"))
	mixed := w.Open(tick(), netip.MustParseAddrPort("[::ffff:10.0.0.3]:40001"), netip.MustParseAddrPort("[2001:db8::1]:5001"))
	four.Data(tick(), true, []byte("ping\n"))
	four.Data(tick(), false, []byte("pong\n"))
	mixed.Data(tick(), true, []byte(big))
	four.Data(tick(), true, []byte("odd")) // an odd number of bytes, for the checksum
	four.Fin(tick(), true)
	four.Data(tick(), false, []byte("late\n"))
	four.Fin(tick(), false)
	mixed.Data(tick(), false, []byte{})
	mixed.Reset(tick(), false)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), map[string]string{
		"10.0.0.1:40000>10.0.0.2:5001":               "ping\nodd",
		"10.0.0.2:5001>10.0.0.1:40000":               "pong\nlate\n",
		"[::ffff:10.0.0.3]:40001>[2001:db8::1]:5001": big,
		"[2001:db8::1]:5001>[::ffff:10.0.0.3]:40001": "",
	}
}

func TestFile(t *testing.T) {
	file, want := sample(t)
	packets, options := pcapngtest.Read(t, file)
	for key, value := range map[string]string{
		"section 4": "parley test", "interface 2": "oneline://127.0.0.1:5001", "interface 9": "\x09",
	} {
		if options[key] != value {
			t.Errorf("option %s is %q, want %q", key, options[key], value)
		}
	}
	got := pcapngtest.Reassemble(t, packets)
	if fmt.Sprint(len(got)) != fmt.Sprint(len(want)) {
		t.Errorf("%d streams, want %d", len(got), len(want))
	}
	for flow, stream := range want {
		if got[flow] != stream {
			t.Errorf("%s: %d bytes, want %d, or they differ", flow, len(got[flow]), len(stream))
		}
	}
	for i := 1; i < len(packets); i++ {
		if packets[i].Time.Before(packets[i-1].Time) {
			t.Errorf("packet %d is older than the one before", i)
		}
	}
	if first := packets[0].Time; !first.Equal(began.Add(1500 * time.Nanosecond)) {
		t.Errorf("the first packet is of %v", first)
	}
}

// The flags of each packet tell the life of a connection.
func TestLife(t *testing.T) {
	file, _ := sample(t)
	packets, _ := pcapngtest.Read(t, file)
	names := map[byte]string{
		flagSYN: "SYN", flagSYN | flagACK: "SYN+ACK", flagACK: "ACK",
		flagPSH | flagACK: "data", flagFIN | flagACK: "FIN", flagRST | flagACK: "RST",
	}
	lives := make(map[uint16]string)
	for _, p := range packets {
		arrow := ">"
		client := p.Src.Port()
		if client == 5001 {
			arrow, client = "<", p.To.Port()
		}
		lives[client] += arrow + names[p.Flags] + " "
		if syn := p.Flags&flagSYN != 0; syn != (len(p.Options) > 0) || p.Window != window {
			t.Errorf("options % x and window %x with flags %x", p.Options, p.Window, p.Flags)
		}
	}
	for port, want := range map[uint16]string{
		40000: ">SYN <SYN+ACK >ACK >data <data >data >FIN <ACK <data <FIN >ACK ",
		40001: ">SYN <SYN+ACK >ACK >data >data >data <RST ",
	} {
		if lives[port] != want {
			t.Errorf("%d: %s, want %s", port, lives[port], want)
		}
	}
}

// Comments stand at the last packet of what they are about, shortened, and whole
// characters.
func TestComments(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b, "", "")
	f := w.Open(began, netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("127.0.0.1:2"))
	f.Data(began, true, make([]byte, maxSegment+1), "one", "grüß", strings.Repeat("é", maxComment)[1:])
	f.Data(began, false, []byte("y"))
	f.Fin(began, false, "the end")
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	packets, _ := pcapngtest.Read(t, b.Bytes())
	got := packets[4].Comments
	if len(got) != 3 || got[0] != "one" || got[1] != "grüß" || !utf8.ValidString(got[2]) || len(got[2]) < maxComment || len(got[2]) > maxComment+8 {
		t.Errorf("%d comments, %.20q", len(got), got)
	}
	if n := len(packets[3].Comments) + len(packets[5].Comments); n != 0 || fmt.Sprint(packets[6].Comments) != "[the end]" {
		t.Errorf("%d comments elsewhere, at the end %q", n, packets[6].Comments)
	}
}

func TestSkip(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b, "", "")
	f := w.Open(began, netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("127.0.0.1:2"))
	f.Skip(true, 1000)
	f.Data(began, true, []byte("x"))
	f.Data(began, false, []byte("y"))
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	packets, _ := pcapngtest.Read(t, b.Bytes())
	x, y := packets[3], packets[4]
	if x.Seq != 1001 || y.Seq != 1 || y.Ack != 1002 {
		t.Errorf("sequence numbers %d and %d, acknowledged %d; want 1001, 1, 1002", x.Seq, y.Seq, y.Ack)
	}
}

type full struct{ room int64 }

var errFull = errors.New("no space left")

func (f *full) Write(p []byte) (int, error) {
	if f.room -= int64(len(p)); f.room < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestFlushTellsTheFirstError(t *testing.T) {
	w := NewWriter(&full{room: 100_000}, "", "")
	f := w.Open(began, netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("127.0.0.1:2"))
	for range 10 {
		f.Data(began, true, make([]byte, 30_000))
	}
	if err := w.Flush(); !errors.Is(err, errFull) {
		t.Errorf("Flush returned %v", err)
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	w := NewWriter(&full{room: 1 << 40}, "", "")
	f := w.Open(began, netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("[::1]:2"))
	p := make([]byte, 100_000)
	if n := testing.AllocsPerRun(100, func() { f.Data(began, true, p) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// tshark must follow the streams and find nothing wrong with them.
func TestTshark(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not installed; TestFile and TestGopacket read the file without it")
	}
	file, want := sample(t)
	name := filepath.Join(t.TempDir(), "sample.pcapng")
	if err := os.WriteFile(name, file, 0o666); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		t.Helper()
		out, err := exec.Command(tshark, append([]string{"-r", name}, args...)...).Output()
		if err != nil {
			t.Fatalf("tshark %v: %v", args, err)
		}
		return string(out)
	}
	checks := []string{"-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"}
	if wrong := run(append(checks, "-Y", "tcp.checksum.status==0 or ip.checksum.status==0 or _ws.malformed or "+
		"tcp.analysis.lost_segment or tcp.analysis.retransmission or tcp.analysis.out_of_order or tcp.analysis.ack_lost_segment")...); wrong != "" {
		t.Errorf("tshark finds fault with\n%s", wrong)
	}
	stream := run("-q", "-z", "follow,tcp,raw,0")
	for _, text := range []string{want["10.0.0.1:40000>10.0.0.2:5001"][:5], want["10.0.0.2:5001>10.0.0.1:40000"][5:]} {
		if !strings.Contains(stream, fmt.Sprintf("%x", text)) {
			t.Errorf("tshark does not show %q in\n%s", text, stream)
		}
	}
	if bytesSent := run("-T", "fields", "-e", "tcp.len", "-Y", "tcp.srcport==40001"); !strings.Contains(bytesSent, fmt.Sprint(maxSegment)) {
		t.Errorf("no large segment in\n%s", bytesSent)
	}
}
