package doctor

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// device answers a line with a text; greeting comes first. "" closes.
type device struct {
	greeting string
	answers  map[string]string
	hangUp   bool
	pushes   string // said every 50 ms
}

func (d device) serve(nc net.Conn) {
	defer nc.Close()
	if d.hangUp {
		return
	}
	say := func(s string) {
		if s != "" { // a pipe waits for the reader of nothing
			io.WriteString(nc, s)
		}
	}
	say(d.greeting)
	for d.pushes != "" {
		if _, err := io.WriteString(nc, d.pushes); err != nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	in := bufio.NewReader(nc)
	for {
		if first, err := in.Peek(1); err == nil && first[0] == 0xff {
			in.ReadByte()
			say(d.answers["\xff"])
			continue
		}
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		say(d.answers[strings.TrimRight(line, "\n")])
	}
}

func TestExamine(t *testing.T) {
	for name, c := range map[string]struct {
		device device
		speak  bool
		want   Finding
		told   string
	}{
		"tinyproto by itself":   {device{greeting: "\xff"}, false, Finding{Speaks: "tinyproto"}, "listening for 1s"},
		"serpy2 by itself":      {device{greeting: "\xde\xca\xfe\xca\xfe\x01"}, false, Finding{Speaks: "serpy2"}, ""},
		"telnet":                {device{greeting: "\xff\xfd\x18"}, true, Finding{Speaks: "telnet"}, "listening for 1s"},
		"SSH":                   {device{greeting: "SSH-2.0-x\r\n"}, true, Finding{Speaks: "SSH"}, ""},
		"a banner":              {device{greeting: "ACME scope\r\nready\r\n"}, true, Finding{Speaks: "line", Query: "?skip=2"}, ""},
		"a prompt":              {device{greeting: "ACME\r\nPSU> "}, true, Finding{Speaks: "line", Query: "?prompt=PSU%3E%20"}, ""},
		"silent, not asked":     {device{answers: map[string]string{"ping": "pong\n"}}, false, Finding{}, "listening for 1s"},
		"oneline":               {device{answers: map[string]string{"ping": "pong\n"}}, true, Finding{Speaks: "oneline", Said: "ping"}, `listening for 1s|saying "ping"`},
		"an instrument":         {device{answers: map[string]string{"*IDN?": "ACME,7\r\n"}}, true, Finding{Speaks: "scpi", Said: "*IDN?"}, `listening for 1s|saying "ping"|saying "*IDN?"`},
		"one that says errors":  {device{answers: map[string]string{"ping": "ERR\n", "*IDN?": "ACME,7\n"}}, true, Finding{Speaks: "scpi", Said: "*IDN?"}, ""},
		"tinyproto that waits":  {device{answers: map[string]string{"\xff": "\xff"}}, true, Finding{Speaks: "tinyproto", Said: "\xff"}, ""},
		"does not stop":         {device{greeting: "ACME\r\n", pushes: "1.5\r\n"}, true, Finding{Speaks: "line"}, "listening for 1s"},
		"closes without a word": {device{hangUp: true}, false, Finding{Closed: true}, ""},
		"unknown":               {device{greeting: "\x00\x01\x02"}, true, Finding{}, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			var told []string
			p := &Peer{Listen: time.Second, Quiet: 100 * time.Millisecond, Tell: func(s string) { told = append(told, s) },
				Dial: func(context.Context) (net.Conn, error) {
					ours, theirs := net.Pipe()
					go c.device.serve(theirs)
					return ours, nil
				}}
			began := time.Now()
			got, err := p.Examine(t.Context(), c.speak)
			if took := time.Since(began); c.device.pushes != "" && took != 2*time.Second {
				t.Errorf("%s: it took %v", name, took)
			}
			got.Heard = nil
			if err != nil || got.Speaks != c.want.Speaks || got.Query != c.want.Query || got.Said != c.want.Said || got.Closed != c.want.Closed {
				t.Errorf("%s: got %+v, %v, want %+v", name, got, err, c.want)
			}
			if all := strings.Join(told, "|"); c.told != "" && all != c.told {
				t.Errorf("%s: told %s, want %s", name, all, c.told)
			}
			time.Sleep(time.Second) // until the device has noticed
		})
	}
}
