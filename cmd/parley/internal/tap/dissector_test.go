package tap

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/big"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/cmd/parley/internal/pcapng"
	"github.com/parley-net/parley/internal/recorded"
	"github.com/parley-net/parley/wire"
)

const dissector = "../../../../packaging/wireshark/parley.lua"

// talk is one conversation: what was said, in its order.
type talk struct {
	name  string
	steps []recorded.Step
}

// talksOf returns the conversations of a wire's transcripts, one for each connection.
func talksOf(t *testing.T, folder string) (all []talk) {
	for _, tr := range recorded.Load(t, folder) {
		conns, size := make(map[int]*talk), 0
		for _, s := range tr.Steps {
			size += len(s.Bytes)
			if conns[s.Conn] == nil {
				conns[s.Conn] = &talk{name: fmt.Sprintf("%s #%d", tr.Name, s.Conn)}
			}
			conns[s.Conn].steps = append(conns[s.Conn].steps, s)
		}
		if size > 4<<20 || tr.Name == "raw_float_forms" {
			continue // it tells nothing more; what only Python reads as a number is shown as it is
		}
		for i := range conns {
			all = append(all, *conns[i])
		}
	}
	slices.SortFunc(all, func(a, b talk) int { return strings.Compare(a.name, b.name) })
	return all
}

// bytewise returns the talk with each byte in a packet of its own.
func (k talk) bytewise() talk {
	small := talk{name: k.name + " byte by byte"}
	for _, s := range k.steps {
		if s.Event != "" {
			small.steps = append(small.steps, s)
		}
		for i := range s.Bytes {
			small.steps = append(small.steps, recorded.Step{From: s.From, Bytes: s.Bytes[i : i+1]})
		}
	}
	return small
}

// said returns both sides' messages as this package decodes them, their payloads;
// and whether there was nothing else in the talk.
func (k talk) said(p wire.Protocol) (payloads [2][][]byte, sound bool) {
	sound = true
	d := NewDecoder(p, limit, func(i Item) {
		switch i.Kind {
		case Message:
			payloads[i.From] = append(payloads[i.From], payloadOf(i.Message))
		case Lost, Stopped:
			sound = false
		}
	})
	for _, s := range k.steps {
		switch s.Event {
		case "":
			d.Feed(s.From, bytes.Clone(s.Bytes))
		case "fin":
			d.EOF(s.From)
		}
	}
	return payloads, sound
}

func payloadOf(m wire.Message) []byte {
	switch m.Type() {
	case wire.TypeInt:
		return []byte(m.AppendText(nil))
	case wire.TypeFloat:
		return fmt.Appendf(nil, "%v", m.Float())
	}
	return bytes.Clone(m.Bytes())
}

// captured writes a file with all the talks, as tap does; port is the servers'.
func captured(t *testing.T, url string, port uint16, talks []talk) string {
	t.Helper()
	var b bytes.Buffer
	w := pcapng.NewWriter(&b, "parley test", url)
	at := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	for i, k := range talks {
		f := w.Open(at, netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), uint16(20_000+i)), netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), port))
		for _, s := range k.steps {
			at = at.Add(time.Millisecond)
			switch s.Event {
			case "":
				f.Data(at, s.From == wire.Dialing, s.Bytes)
			case "fin":
				f.Fin(at, s.From == wire.Dialing)
			case "rst":
				f.Reset(at, s.From == wire.Dialing)
			}
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "x.pcapng")
	if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// tshark returns what Wireshark's terminal version says with our dissector; a mistake
// in that one fails the test.
func tshark(t *testing.T, args ...string) []string {
	t.Helper()
	if !slices.Contains(strings.Split(os.Getenv("PARLEY_REQUIRE"), ","), "tshark") {
		t.Skip("the dissector is tried where PARLEY_REQUIRE names tshark: .ci/run dissector")
	}
	var out, errs bytes.Buffer
	cmd := exec.Command("tshark", append([]string{"-X", "lua_script:" + dissector}, args...)...)
	// Without what a user has configured.
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "XDG_CONFIG_HOME="+t.TempDir())
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("tshark: %v\n%s", err, errs.String())
	}
	if strings.Contains(out.String()+errs.String(), "Lua") {
		t.Fatalf("the dissector is wrong:\n%.2000s\n%.2000s", errs.String(), out.String())
	}
	return strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
}

// wiretalks are the conversations of one URL.
type wiretalks struct {
	url   string
	talks []talk
}

func filterOf(name string) string {
	if name == "frame" {
		return "parley_frame" // Wireshark has a protocol of that name
	}
	return name
}

// What the dissector for Wireshark finds is what parley itself finds: in every
// transcript of the originals, and in lines and frames of every form; in pieces as
// TCP may cut them, and when Wireshark looks a second time.
func TestDissector(t *testing.T) {
	all := []wiretalks{
		{"oneline://10.0.0.2:80", talksOf(t, "oneline")},
		{"tinyproto://10.0.0.2:80", append(talksOf(t, "tinyproto"), talksOf(t, "tpft")...)},
		{"serpy://10.0.0.2:80", talksOf(t, "serpy")},
		{"serpy2://10.0.0.2:80", talksOf(t, "serpy2")},
	}
	all = append(all, madeTalks(t)...)
	for _, w := range all {
		t.Run(w.url, func(t *testing.T) {
			e, err := endpoint.Parse(w.url)
			if err != nil {
				t.Fatal(err)
			}
			talks := w.talks
			for _, k := range w.talks {
				size := 0
				for _, s := range k.steps {
					size += len(s.Bytes)
				}
				if size < 2<<10 {
					talks = append(talks, k.bytewise())
				}
			}
			file := captured(t, w.url, 80, talks) // Wireshark has another idea of that port
			compare(t, e.Protocol, talks, tshark(t, append([]string{"-2"}, fields(file, filterOf(e.Protocol.Name()))...)...), 80)
			if len(talks) > 2 {
				compare(t, e.Protocol, talks, tshark(t, fields(file, filterOf(e.Protocol.Name()))...), 80)
			}
		})
	}
}

// fields are the arguments that print what compare reads.
func fields(file, filter string) []string {
	return []string{"-r", file, "-Y", filter, "-T", "fields", "-E", "separator=|", "-E", "aggregator=,",
		"-e", "tcp.stream", "-e", "tcp.dstport", "-e", filter + ".data", "-e", "oneline.reserved", "-e", "serpy2.type", "-e", "parley_frame.check.good"}
}

// A capture that somebody else has made is read by Decode As and the preferences, on
// any port; and as far as its conversations begin in a way that tells, by itself.
func TestDissectorElsewhere(t *testing.T) {
	modbus := "frame://h:1?size=u16be&offset=4&strip=head"
	for _, tt := range []struct {
		name, url string
		talks     []talk
		args      []string
	}{
		{"oneline as", "oneline://h:1", talksOf(t, "oneline"), []string{"-d", "tcp.port==4444,oneline"}},
		{"tinyproto as", "tinyproto://h:1", talksOf(t, "tpft"), []string{"-d", "tcp.port==4444,tinyproto"}},
		{"serpy as", "serpy://h:1", talksOf(t, "serpy"), []string{"-d", "tcp.port==4444,serpy"}},
		{"serpy2 as", "serpy2://h:1", talksOf(t, "serpy2"), []string{"-d", "tcp.port==4444,serpy2"}},
		{"line as", "line://h:1?end=cr&send=cr", made(t, "line://h:1?end=cr&send=cr", "MA 100", "PR P1"),
			[]string{"-d", "tcp.port==4444,line", "-o", "line.form:end=cr&send=cr"}},
		{"scpi as", "scpi://h:1", made(t, "scpi://h:1", "CURV?", "#15ab\ncd"), []string{"-d", "tcp.port==4444,scpi"}},
		{"frame as", modbus, made(t, modbus, "abc", "\x11\x03"),
			[]string{"-d", "tcp.port==4444,parley_frame", "-o", "parley_frame.form:size=u16be&offset=4"}},
		{"oneline by itself", "oneline://h:1", slices.DeleteFunc(talksOf(t, "oneline"), func(k talk) bool {
			return !bytes.HasPrefix(k.steps[0].Bytes, []byte("ping\n"))
		}), nil},
		{"tinyproto by itself", "tinyproto://h:1", talksOf(t, "tpft"), nil},
		{"serpy2 by itself", "serpy2://h:1", made(t, "serpy2://h:1", "hello", "x"), nil},
		{"scpi by itself", "scpi://h:1", made(t, "scpi://h:1", "*IDN?", "VOLT?"), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := endpoint.Parse(tt.url)
			if err != nil {
				t.Fatal(err)
			}
			name, _, _ := strings.Cut(tt.url, "://")
			file := captured(t, "eth0", 4444, tt.talks)
			compare(t, e.Protocol, tt.talks, tshark(t, append(tt.args, fields(file, filterOf(name))...)...), 4444)
		})
	}
}

// compare compares both sides' messages, in all sound talks.
func compare(t *testing.T, p wire.Protocol, talks []talk, lines []string, port uint16) {
	t.Helper()
	got := make([][2][][]byte, len(talks))
	for _, l := range lines {
		if l == "" {
			break
		}
		f := strings.Split(l, "|")
		if len(f) != 6 || strings.Contains(f[5], "0") {
			t.Fatalf("tshark prints %q", l)
		}
		var stream int
		fmt.Sscan(f[0], &stream)
		from := wire.Accepting
		if f[1] == fmt.Sprint(port) {
			from = wire.Dialing
		}
		if f[2] != "" {
			got[stream][from] = append(got[stream][from], printed(t, f[2], f[4])...)
		}
	}
	compared, messages := 0, 0
	for i, k := range talks {
		want, sound := k.said(p)
		if !sound {
			continue
		}
		compared++
		for from := range want {
			messages += len(want[from])
			have, want := spoken(p.Name(), got[i][from]), spoken(p.Name(), want[from])
			if !slices.Equal(have, want) {
				t.Errorf("%s, side %d:\n%.40q, want\n%.40q", k.name, from, have, want)
			}
		}
	}
	t.Logf("%d of %d conversations compared, %d messages", compared, len(talks), messages)
	if compared*3 < len(talks) {
		t.Errorf("only %d of %d conversations were compared", compared, len(talks))
	}
}

// printed returns the payloads that tshark prints; values of serpy2 as payloadOf
// shows them.
func printed(t *testing.T, payloads, types string) (all [][]byte) {
	t.Helper()
	kinds := strings.Split(types, ",")
	for i, h := range strings.Split(payloads, ",") {
		b, err := hex.DecodeString(strings.ReplaceAll(h, "<MISSING>", ""))
		if err != nil {
			t.Fatalf("tshark prints %.100q", h)
		}
		switch {
		case types != "" && kinds[i] == "0x01":
			v := new(big.Int)
			negative := len(b) > 0 && b[len(b)-1] >= 0x80
			for _, x := range slices.Backward(b) {
				v.Or(v.Lsh(v, 8), big.NewInt(int64(x)))
			}
			if negative {
				v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
			}
			b = []byte(v.String())
		case types != "" && kinds[i] == "0x11":
			f, err := strconv.ParseFloat(strings.ReplaceAll(string(b), "0.0000000000000p", "0p"), 64)
			if err != nil {
				continue // a form that is only Python's; the transcripts of it are not sound
			}
			b = fmt.Appendf(nil, "%v", f)
		}
		all = append(all, b)
	}
	return all
}

// spoken leaves out what of oneline is a message in one place and the wire's own in
// another: pings that stand behind the first.
func spoken(name string, payloads [][]byte) (all []string) {
	for _, p := range payloads {
		heard := strings.Map(func(r rune) rune {
			if r > 0x7F {
				return -1
			}
			return r
		}, strings.TrimSpace(string(p)))
		if name == "oneline" && slices.Contains([]string{"ping", "pong", "disconnect", "shutdown"}, heard) {
			continue
		}
		all = append(all, string(p))
	}
	return all
}

// madeTalks are conversations that parley's machines make.
func madeTalks(t *testing.T) (all []wiretalks) {
	texts := []string{"*IDN?", "x", "VOLT 1.5;:OUTP ON", strings.Repeat("long ", 9000), "#15ab\ncd", "grüß"}
	blobs := []string{"a", "\x00\x01\x02\x03\x10\xc0\xdb\xff\xaa\x55", strings.Repeat("\x03\x00\xc0", 9000), strings.Repeat("z", 300), strings.Repeat("q", 254)}
	for url, payloads := range map[string][]string{
		"line://h:80":                                                                       texts[:4],
		"line://h:80?end=cr&send=cr":                                                        texts[:4],
		"line://h:80?end=%03&send=%03":                                                      texts[:4],
		"line://h:80?end=%24%20&send=%24%20":                                                texts[:4],
		"scpi://h:80":                                                                       texts,
		"frame://h:80?size=u16be&offset=4&strip=head":                                       blobs,
		"frame://h:80?size=u8&strip=head":                                                   blobs[:2],
		"frame://h:80?size=u32le&strip=head&check=crc32":                                    blobs,
		"frame://h:80?size=u64be&strip=head&check=crc32c-le":                                blobs,
		"frame://h:80?size=varint&strip=head&max=1000000":                                   blobs,
		"frame://h:80?magic=%AA%55&size=u16le&strip=head&check=crc16-modbus":                blobs,
		"frame://h:80?magic=0xAA55&size=u16be&adjust=-4&strip=head&check=crc16-ccitt-false": blobs,
		"frame://h:80?size=u16be&strip=head&check=crc16-xmodem&over=payload":                blobs,
		"frame://h:80?fixed=300":                                                            blobs[3:4],
		"frame://h:80?slip":                                                                 blobs,
		"frame://h:80?cobs&check=crc32-le":                                                  blobs,
		"frame://h:80?cobs":                                                                 blobs,
		"frame://h:80?stx&check=xor8":                                                       blobs,
		"frame://h:80?stx&check=sum8":                                                       blobs,
	} {
		all = append(all, wiretalks{url, made(t, url, payloads...)})
	}
	return all
}

// made is a conversation in which both sides say the payloads.
func made(t *testing.T, url string, payloads ...string) []talk {
	t.Helper()
	e, err := endpoint.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	k := talk{name: url}
	for _, role := range []wire.Role{wire.Dialing, wire.Accepting} {
		m := e.Protocol.New(role, wire.Limits{})
		for _, p := range payloads {
			message := wire.Text(p)
			if strings.HasPrefix(url, "frame") {
				message = wire.Bytes([]byte(p))
			}
			out, sent, err := m.Send(nil, message)
			if err != nil {
				t.Fatalf("%s: %.20q: %v", url, p, err)
			}
			if sent.Body != wire.BodyNone {
				out = append(out, p...)
				m.BodySent()
			}
			k.steps = append(k.steps, recorded.Step{From: role, Bytes: out})
		}
	}
	return []talk{k}
}
