package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
)

// Options that make no sense, alone, together or on a listener: exit code 2 before
// anything listens or is dialled, with what to write instead.
//
// Verifies: LINE-15, FRAME-22, DEVICE-17
func TestBadOptions(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	session := file("s.jsonl", `{"dir":"c2s","text":"a"}`+"\n")
	const at = "://127.0.0.1:0?"
	for _, c := range []struct {
		args []string
		want string // what standard error says
	}{
		// prompt, skip and echo are a device's.
		{[]string{"serve", "line" + at + "prompt=x", "--echo"}, "with serve --replies write prompt in the file"},
		{[]string{"serve", "line" + at + "skip=2", "--echo"}, "write greeting in the file"},
		{[]string{"serve", "scpi" + at + "echo=1", "--echo"}, "write echo in the file"},
		{[]string{"tap", "line" + at + "prompt=x", "127.0.0.1:1"}, "give the option to the target's URL"},
		{[]string{"bridge", "line" + at + "prompt=x", "line://127.0.0.1:1"}, "give the option to the target's URL"},
		{[]string{"replay", session, "--as-server", "line" + at + "prompt=x"}, "prompt: that is what a client reads"},
		{[]string{"serve", "line+unix://" + dir + "/s?prompt=x", "--echo"}, "write prompt in the file"},
		// Those of the other wire.
		{[]string{"serve", "frame" + at + "size=u16be&prompt=x", "--echo"}, "prompt is for line://, scpi://"},
		{[]string{"send", "frame" + at + "size=u16be&prompt=x", "hi"}, "prompt is for line://, scpi://"},
		{[]string{"serve", "line" + at + "size=u8", "--echo"}, "size is for frame://"},
		{[]string{"serve", "tinyproto" + at + "end=lf", "--echo"}, "end is for line://, scpi://"},
		// Two that say where a frame ends, or none.
		{[]string{"serve", "frame" + at + "size=u16be&fixed=4", "--echo"}, "exclude each other, as each says where a frame ends: write one of them"},
		{[]string{"serve", "frame" + at + "slip&cobs", "--echo"}, "exclude each other"},
		{[]string{"serve", "frame" + at + "stx&size=u8", "--echo"}, "exclude each other"},
		{[]string{"serve", "frame://127.0.0.1:0", "--echo"}, "nothing says where a frame ends: write size=u16be"},
		{[]string{"serve", "frame" + at + "stx&strip=2", "--echo"}, "leave it out"},
		{[]string{"serve", "frame" + at + "cobs&magic=0x01", "--echo"}, "leave it out"},
		{[]string{"serve", "frame" + at + "size=u16be&over=payload", "--echo"}, "write check=crc32"},
		// Ends of zero bytes.
		{[]string{"serve", "line" + at + "end=", "--echo"}, "want any, or some of lf"},
		{[]string{"serve", "line" + at + "end=lf,,cr", "--echo"}, "want any, or some of lf"},
		{[]string{"serve", "line" + at + "send=", "--echo"}, "want lf, crlf, cr, nul, same or bytes such as %03"},
		{[]string{"send", "line" + at + "prompt=", "hi"}, "want some text"},
		{[]string{"serve", "frame" + at + "size=u8&magic=", "--echo"}, "magic"},
		// Sizes that can't be.
		{[]string{"serve", "frame" + at + "size=u8&max=1000", "--echo"}, "write max=255, or a larger size such as u16be"},
		{[]string{"serve", "frame" + at + "size=u16", "--echo"}, "use u8, u16be"},
		{[]string{"serve", "frame" + at + "size=u24be", "--echo"}, "use u8, u16be"},
		{[]string{"serve", "frame" + at + "size=u16be&offset=-1", "--echo"}, "want a number from 0"},
		{[]string{"serve", "frame" + at + "fixed=0", "--echo"}, "want a number from 1"},
		{[]string{"serve", "frame" + at + "fixed=4&check=crc32", "--echo"}, "write fixed=5 or more"},
		{[]string{"serve", "frame" + at + "fixed=4&max=2", "--echo"}, "raise max"},
		{[]string{"serve", "frame" + at + "size=u16be&check=crc99", "--echo"}, "use sum8, xor8"},
		{[]string{"serve", "line" + at + "max=0", "--echo"}, "want a number from 1"},
		{[]string{"serve", "line" + at + "clients=2", "--echo", "--max-conns", "3"}, "--max-conns 3"},
		{[]string{"serve", "line+serial:///dev/null?clients=2", "--echo"}, "clients=2: a serial port has one client"},
		// What is no option, or no value.
		{[]string{"serve", "line" + at + "foo=1", "--echo"}, `line has no option "foo": it has end=`},
		{[]string{"serve", "line" + at + "end=lf&end=cr", "--echo"}, "once is enough"},
		{[]string{"serve", "line" + at + "end=%zz", "--echo"}, "write ?name=value"},
		{[]string{"serve", "line" + at + "charset=ebcdic", "--echo"}, "want utf-8, latin-1, ascii or bytes"},
		// Addresses of other worlds.
		{[]string{"send", "tcp://psu:5025", "hi"}, "write line://psu:5025"},
		{[]string{"send", "TCPIP0::psu::INSTR", "hi"}, "write scpi://psu (port 5025)"},
		{[]string{"send", "GPIB0::5::INSTR", "hi"}, "GPIB is not spoken"},
		{[]string{"send", "USB0::1::2::3::INSTR", "hi"}, "USB is not spoken"},
		{[]string{"send", "ASRL3::INSTR", "hi"}, "write line+serial:///dev/ttyUSB0?baud=9600"},
		{[]string{"send", "TCPIP0::psu::0::SOCKET", "hi"}, "write the peer's port"},
		// Files of pyvisa-sim.
		{[]string{"serve", "line://127.0.0.1:0", "--replies", file("a.yaml", "spec: \"1.1\"\ndevices:\n  a:\n    eom:\n      TCPIP SOCKET:\n        q: \"\"\n        r: \"\\n\"\n    dialogues:\n      - q: x\n        r: y\nresources:\n  TCPIP::localhost::10001::SOCKET:\n    device: a\n")}, "a.yaml:6:"},
		{[]string{"serve", "line://127.0.0.1:0", "--replies", file("b.yaml", "spec: \"3.0\"\ndevices:\n  a: {}\n")}, "b.yaml:1:"},
		{[]string{"serve", "line://127.0.0.1:0", "--replies", file("c.yaml", "devices: [\n")}, "c.yaml:"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		var stdout, stderr bytes.Buffer
		code := run(ctx, c.args, strings.NewReader(""), &stdout, &stderr)
		cancel()
		if code != fault.Usage || !strings.Contains(stderr.String(), c.want) || strings.Contains(stderr.String(), "listening on") || stdout.Len() > 0 {
			t.Errorf("%v: exit code %d, want 2 and %q\n%s%s", c.args, code, c.want, stdout.String(), stderr.String())
		}
	}
}

// A message over max, a bad check, a block that is not finished: one error with the
// peer, the byte and the rule, and the wire goes on where it can.
//
// Verifies: LINE-09, LINE-12, FRAME-09, FRAME-12, FRAME-20
func TestBadMessages(t *testing.T) {
	for _, c := range []struct {
		name, url   string
		say, hear   string
		rule        string // what the log says, once
		at          string
		warns, ends bool // the wire does not go on
	}{
		{"long line", "line://127.0.0.1:0?max=10", "ok\n0123456789abc\nmore\n", "ok\nmore\n", "longer than the limit of 10 bytes: it is skipped", "at byte 3", true, false},
		{"endless line", "line://127.0.0.1:0?max=10", "ok\n" + strings.Repeat("x", 1<<20) + "\nmore\n", "ok\nmore\n", "longer than the limit of 10 bytes: it is skipped", "at byte 3", true, false},
		{"long block", "scpi://127.0.0.1:0?max=20", "ok\nC #250" + strings.Repeat("x", 50) + "\nmore\n", "ok\nmore\n", "at least 56 bytes long, the limit is 20: it is skipped", "at byte 3", true, false},
		{"unfinished block", "scpi://127.0.0.1:0", "ok\nC #15ab", "ok\n", "the stream ended inside the block that begins at byte 5", "at byte 10", true, true},
		{"unfinished line", "line://127.0.0.1:0", "ok\nmore", "ok\nmore\n", "", "", false, false}, // it is a message
		{"bad check", "frame://127.0.0.1:0?size=u8&strip=head&check=sum8", "\x02a\x00\x02a\x63", "\x02a\x63", "has the sum8 63, its check says 00", "at byte 0", true, false},
		{"long frame", "frame://127.0.0.1:0?size=u16be&strip=head&max=5", "\x00\x0a0123456789\x00\x02ab", "\x00\x02ab", "a payload of 10 bytes is announced, max is 5", "at byte 0", true, false},
		{"unfinished frame", "frame://127.0.0.1:0?size=u16be&strip=head", "\x00\x02ab\x00\x05ab", "\x00\x02ab", "the stream ended inside a frame, 3 of its 7 bytes are missing", "at byte 4", true, true},
		{"damage before a magic", "frame://127.0.0.1:0?size=u8&offset=2&magic=0xAA55&strip=head", "junk\xaa\x55\x01x", "\xaa\x55\x01x", "", "at byte 0", true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := startInside(t, true, "serve", c.url, "--echo")
			addr, _, _ := strings.Cut(srv.addr(), "?")
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			nc.SetDeadline(time.Now().Add(patience))
			io.WriteString(nc, c.say)
			nc.(*net.TCPConn).CloseWrite()
			got, err := io.ReadAll(nc)
			if string(got) != c.hear && !(c.ends && strings.HasPrefix(c.hear, string(got))) {
				t.Errorf("it answers %q, want %q (%v)", got, c.hear, err)
			}
			srv.stop()
			srv.wait()
			var told []string
			for _, l := range strings.Split(srv.stderr.String(), "\n") {
				if strings.Contains(l, "level=WARN") || strings.Contains(l, "level=ERROR") {
					told = append(told, l)
				}
			}
			if !c.warns && len(told) == 0 {
				return
			}
			if len(told) != 1 || !strings.Contains(told[0], c.rule) || !strings.Contains(told[0], c.at) || !strings.Contains(told[0], nc.LocalAddr().String()) {
				t.Errorf("want one line with %q, %q and the peer:\n%s", c.rule, c.at, strings.Join(told, "\n"))
			}
		})
	}
}
