package endpoint_test

import (
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/frame"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

func TestParse(t *testing.T) {
	latin1, err := serpy.LookupEncoding("latin-1")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		url      string
		protocol parley.Protocol
		tls      bool
		addr     string
		shown    string // "" is url
	}{
		{url: "oneline://localhost:5001", protocol: oneline.Protocol{EOL: "\n"}, addr: "localhost:5001"},
		{url: "oneline+fd://psu", protocol: oneline.Protocol{EOL: "\n"}, addr: "fd:psu"},
		{url: "oneline+fd+tls://a%20b", protocol: oneline.Protocol{EOL: "\n"}, tls: true, addr: "fd:a b", shown: "oneline+tls+fd://a%20b"},
		{url: "oneline://:0", protocol: oneline.Protocol{EOL: "\n"}, addr: ":0"},
		{url: "oneline://h:5001/", protocol: oneline.Protocol{EOL: "\n"}, addr: "h:5001", shown: "oneline://h:5001"},
		{url: "oneline://h:05001", protocol: oneline.Protocol{EOL: "\n"}, addr: "h:5001", shown: "oneline://h:5001"},
		{url: "tinyproto://h", protocol: tinyproto.Protocol{}, addr: "h:8088", shown: "tinyproto://h:8088"},
		{url: "tinyproto://", protocol: tinyproto.Protocol{}, addr: ":8088", shown: "tinyproto://:8088"},
		{url: "tinyproto://[::1]", protocol: tinyproto.Protocol{}, addr: "[::1]:8088", shown: "tinyproto://[::1]:8088"},
		{url: "serpy2://[fe80::1%eth0]:6000", protocol: serpy2.Protocol{}, addr: "[fe80::1%eth0]:6000"},
		{url: "serpy2+tls://h:6000", protocol: serpy2.Protocol{}, tls: true, addr: "h:6000"},
		{url: "serpy2+unix:///run/x.sock", protocol: serpy2.Protocol{}, addr: "unix:/run/x.sock"},
		{url: "serpy2+unix://x.sock", protocol: serpy2.Protocol{}, addr: "unix:x.sock"},
		{url: "serpy2+unix:///a%20b%3Fc", protocol: serpy2.Protocol{}, addr: "unix:/a b?c"},
		{url: "serpy2+tls+unix:///x", protocol: serpy2.Protocol{}, tls: true, addr: "unix:/x"},
		{url: "serpy2+unix+tls:///x", protocol: serpy2.Protocol{}, tls: true, addr: "unix:/x", shown: "serpy2+tls+unix:///x"},
		{url: "oneline://h:1?eol=lf", protocol: oneline.Protocol{EOL: "\n"}, addr: "h:1"},
		{url: "oneline://h:1?eol=cr", protocol: oneline.Protocol{EOL: "\r"}, addr: "h:1"},
		{url: "oneline://h:1?eol=crlf&utf8=1&maxline=80", protocol: oneline.Protocol{EOL: "\r\n", UTF8: true, MaxLine: 80}, addr: "h:1"},
		{url: "oneline+unix:///x?utf8", protocol: oneline.Protocol{EOL: "\n", UTF8: true}, addr: "unix:/x"},
		{url: "oneline://h:1?utf8=0", protocol: oneline.Protocol{EOL: "\n"}, addr: "h:1"},
		{url: "tinyproto://h:1?eager=auto", protocol: tinyproto.Protocol{}, addr: "h:1"},
		{url: "tinyproto://h:1?eager=never", protocol: tinyproto.Protocol{Eager: tinyproto.Never}, addr: "h:1"},
		{url: "serpy://h:1", protocol: serpy.Protocol{}, addr: "h:1"},
		{url: "serpy://h:1?mode=3&force=yes&encoding=latin-1&pickle=off&pickle-protocol=4", addr: "h:1",
			protocol: serpy.Protocol{Mode: 3, ForceMode: true, Encoding: latin1, NoPickle: true, PickleProtocol: 4}},
		{url: "frame://h:502?size=u16be&offset=4", protocol: frame.Protocol{Size: frame.U16BE, Offset: 4}, addr: "h:502"},
		{url: "frame+tls://h:1?size=varint&strip=head&max=1000", protocol: frame.Protocol{Size: frame.Varint, Strip: frame.Head, Max: 1000}, tls: true, addr: "h:1"},
		{url: "frame://h:1?magic=%AA%55&size=u32le&adjust=-2&strip=6&check=crc16-modbus&over=payload", addr: "h:1",
			protocol: frame.Protocol{Magic: "\xAA\x55", Size: frame.U32LE, Adjust: -2, Strip: 6, Check: frame.CRC16Modbus, Over: frame.OverPayload}},
		{url: "frame://h:1?magic=0xaA55&fixed=8", protocol: frame.Protocol{Magic: "\xAA\x55", Fixed: 8}, addr: "h:1"},
		{url: "frame://h:1?slip", protocol: frame.Protocol{Marks: frame.SLIP}, addr: "h:1"},
		{url: "frame+unix:///x?cobs=1&slip=0&check=crc32-le", protocol: frame.Protocol{Marks: frame.COBS, Check: frame.CRC32LE}, addr: "unix:/x"},
		{url: "frame://h:1?stx=on&check=xor8", protocol: frame.Protocol{Marks: frame.STX, Check: frame.Xor8}, addr: "h:1"},
		{url: "serpy://h:1?pickle=on", protocol: serpy.Protocol{}, addr: "h:1"},
	} {
		e, err := endpoint.Parse(tt.url)
		if err != nil {
			t.Error(err)
			continue
		}
		if e.Protocol != tt.protocol || e.TLS != tt.tls || e.Addr != tt.addr {
			t.Errorf("%s: got %#v", tt.url, e)
		}
		shown := tt.shown
		if shown == "" {
			shown = tt.url
		}
		if e.String() != shown {
			t.Errorf("%s: shown as %s, want %s", tt.url, e, shown)
		}
		again, err := endpoint.Parse(e.String())
		if err != nil || again != e {
			t.Errorf("%s: read again as %#v, %v", tt.url, again, err)
		}
	}
}

func TestMistakes(t *testing.T) {
	for url, want := range map[string]string{
		"":                                      "names no protocol",
		"localhost:5001":                        "for an instrument scpi://HOST; parley doctor HOST:PORT",
		"://h:1":                                `no protocol ""`,
		"ftp://h:1":                             `no protocol "ftp": use oneline, tinyproto, serpy, serpy2`,
		"oneline+ssh://h:1":                     "+ssh is not known",
		"oneline://":                            "the port is missing",
		"oneline://h":                           "the port is missing",
		"oneline://h:":                          "the port is missing",
		"oneline://h:65536":                     `"65536" is no port`,
		"oneline://h:-1":                        `"-1" is no port`,
		"oneline://::1:5001":                    "an IPv6 address stands in brackets",
		"oneline://user@h:1":                    "is no host",
		"oneline://h:1/path":                    "is no port",
		"oneline+unix://":                       "the path of the socket is missing",
		"oneline+unix:///%zz":                   "invalid URL escape",
		"oneline://h:1?eol":                     "want cr or crlf or lf",
		"oneline://h:1?utf8=maybe":              "option utf8=maybe: want 1 or 0",
		"oneline://h:1?maxline=0":               "want a number from 1 to",
		"oneline://h:1?maxline=1&eols=x":        "has no option",
		"oneline://h:1?maxline=1&maxline=":      "given 2 times",
		"oneline://h:1?%zz":                     "its options",
		"serpy://h:1?encoding=klingon":          "option encoding",
		"serpy://h:1?pickle-protocol=3":         "want 2 or 4 or 5",
		"serpy2://h:1?mode=1":                   "it has none",
		"serpy://h:1?force=1?mode=1":            "join them with &",
		"frame://h:1":                           "nothing says where a frame ends: write size=u16be",
		"frame://h:1?slip=0":                    "nothing says where a frame ends",
		"frame://h:1?size=u16be&fixed=4":        "size=u16be and fixed=4 exclude each other",
		"frame://h:1?slip&cobs":                 "slip, cobs and stx exclude each other",
		"frame://h:1?slip&fixed=4":              "fixed=4 and slip exclude each other",
		"frame://h:1?slip=maybe":                "option slip=maybe: want 1 or 0",
		"frame://h:1?size=u24be":                `option size=u24be: there is no size "u24be": use u8, u16be`,
		"frame://h:1?size=u8&max=300":           "size=u8 can't announce more than 255 bytes of payload: write max=255, or a larger size such as u16be",
		"frame://h:1?size=u8&max=0":             "option max=0: want a number from 1",
		"frame://h:1?size=u8&check=md5":         `there is no check "md5": use sum8, xor8`,
		"frame://h:1?size=u8&over=head":         `there is no over "head": use all, payload`,
		"frame://h:1?size=u8&over=payload":      "over=payload says what a check is computed over, and there is none",
		"frame://h:1?size=u8&offset=-1":         "option offset=-1: want a number from 0",
		"frame://h:1?size=u8&offset=9999":       "at most 4096",
		"frame://h:1?size=u8&adjust=x":          "want a number, as 2 or -2",
		"frame://h:1?size=u8&adjust=-300":       "even the largest u8, 255, leaves no frame",
		"frame://h:1?size=u8&strip=-1":          "option strip=-1: want a number from 0, or head",
		"frame://h:1?size=u8&strip=all":         "want a number from 0, or head",
		"frame://h:1?size=u8&magic=":            "at least one byte",
		"frame://h:1?size=u8&magic=0xABC":       "an even number of hexadecimal digits",
		"frame://h:1?size=u8&magic=AB&offset=0": "offset=0: the size would stand inside the magic, whose bytes offset counts too: write offset=2",
		"frame://h:1?size=u8&magic=AB&offset=1": "write offset=2 or more",
		"frame://h:1?fixed=0":                   "option fixed=0: want a number from 1",
		"frame://h:1?fixed=4&offset=1":          "offset and adjust are about a size",
		"frame://h:1?cobs&magic=A":              "magic is about the head of a frame",
		"frame://h:1?size=u8&eol=lf":            "max=BYTES; eol is for oneline://",
	} {
		e, err := endpoint.Parse(url)
		if err == nil {
			t.Errorf("%s: read as %#v", url, e)
		} else if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `"`+url+`"`) {
			t.Errorf("%s: %v, want it to say %q", url, err, want)
		}
	}
}

func TestAt(t *testing.T) {
	for _, tt := range []struct {
		url, want string
		at        net.Addr
	}{
		{"serpy+tls://localhost:0?mode=1", "serpy+tls://localhost:4711?mode=1", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4711}},
		{"serpy://localhost:0", "serpy://127.0.0.1:4711", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4711}},
		{"serpy+tls://:0", "serpy+tls://localhost:4711", &net.TCPAddr{IP: net.IPv6unspecified, Port: 4711}},
		{"serpy://0.0.0.0:0", "serpy://localhost:4711", &net.TCPAddr{IP: net.IPv4zero, Port: 4711}},
		{"serpy://[::1]:0", "serpy://[::1]:4711", &net.TCPAddr{IP: net.IPv6loopback, Port: 4711}},
		{"serpy+unix://x", "serpy+unix:///tmp/x", &net.UnixAddr{Name: "/tmp/x", Net: "unix"}},
	} {
		e, err := endpoint.Parse(tt.url)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.At(tt.at).String(); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.url, got, tt.want)
		}
	}
}

// Every option is named once, and its values are accepted.
func TestOptionsAreReal(t *testing.T) {
	if want := []string{"oneline", "tinyproto", "serpy", "serpy2", "line", "scpi", "frame"}; !slices.Equal(endpoint.Names(), want) {
		t.Fatalf("protocols %v, want %v", endpoint.Names(), want)
	}
	examples := map[string]string{"BYTES": "100", "0..5": "5", "N": "-2", "BYTES|head": "head", "0xHEX": "0xAA55", "FORM": "varint", "TEXT": "%3E%20", "LINES": "3", "COUNT": "4"}
	names := map[string]string{"encoding": "cp1252", "check": "crc32-le"}
	// What frame's options need beside them.
	beside := map[string]string{"offset": "&size=u8", "adjust": "&size=u8", "strip": "&size=u8", "magic": "&size=u8", "check": "&slip", "over": "&slip&check=sum8", "max": "&slip"}
	for _, name := range endpoint.Names() {
		for _, o := range endpoint.Options(name) {
			values := strings.Split(o.Values, "|")
			if v, ok := examples[o.Values]; ok {
				values = []string{v}
			}
			if o.Values == "NAME" {
				values = []string{names[o.Name]}
			}
			if strings.HasSuffix(o.Values, "|BYTES") {
				values = append(values[:len(values)-1], "%03", "%24%20")
			}
			for _, v := range values {
				more := ""
				if name == "frame" {
					more = beside[o.Name]
				}
				if more == "" && v == "0" && name == "frame" {
					more = "&size=u8"
				}
				if _, err := endpoint.Parse(name + "://h:1?" + o.Name + "=" + v + more); err != nil {
					t.Error(err)
				}
			}
		}
	}
	if endpoint.Options("nonsense") != nil || endpoint.DefaultPort("nonsense") != 0 || endpoint.DefaultPort("tinyproto") != 8088 {
		t.Error("an unknown protocol has options or a port, or tinyproto has another")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"oneline://h:1?eol=cr", "serpy+tls+unix:///a%20b?mode=1&force", "tinyproto://[::1%25x]", "a+b+://?:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, err := endpoint.Parse(s)
		if err != nil {
			return
		}
		again, err := endpoint.Parse(e.String())
		if err != nil || again != e {
			t.Errorf("%q is shown as %q and read again as %#v, %v; want %#v", s, e, again, err, e)
		}
	})
}
