package chat

import (
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/chat"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy/b85"
	"github.com/parley-net/parley/serpy/pickle"
)

func dialectOf(t *testing.T, url string) (dialect, endpoint.Endpoint) {
	t.Helper()
	e, err := endpoint.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	d := newDialect(&e)
	return d, e
}

func TestDialect(t *testing.T) {
	for url, want := range map[string]string{
		"tinyproto://h:1": ": ",
		"serpy://h:1":     " : ",
		"serpy2://h:1":    " : ",
	} {
		if d, _ := dialectOf(t, url); d.colon != want {
			t.Errorf("%s: %q between name and text, want %q", url, d.colon, want)
		}
	}
	for url, want := range map[string]struct {
		mode     int
		encoding string
	}{
		"serpy://h:1":                          {2, "utf-8"},
		"serpy://h:1?mode=0":                   {0, "utf-8"},
		"serpy://h:1?encoding=latin-1":         {2, "latin-1"},
		"serpy://h:1?encoding=latin-1&mode=5":  {5, "latin-1"},
		"serpy+unix:///tmp/s?encoding=latin-1": {2, "latin-1"},
	} {
		_, e := dialectOf(t, url)
		p := e.Protocol.(serpy.Protocol)
		encoding, err := serpy.LookupEncoding(want.encoding)
		if err != nil {
			t.Fatal(err)
		}
		if p.Mode != want.mode || p.Encoding.Name() != encoding.Name() {
			t.Errorf("%s: mode %d and %s, want %d and %s", url, p.Mode, p.Encoding.Name(), want.mode, encoding.Name())
		}
	}
}

func TestDialectLine(t *testing.T) {
	relayed := b85.Encode(nil, []byte("VOID : häll"))
	for _, test := range []struct {
		url  string
		m    parley.Message
		want string
	}{
		{"tinyproto://h:1", parley.Bytes([]byte("[7] hä")), "[7] hä"},
		{"serpy2://h:1", parley.Text("ann : hä"), "ann : hä"},
		{"serpy2://h:1", parley.Int(5), "5"},
		{"serpy://h:1", serpy.WithMode(parley.Bytes([]byte("ann : hä")), 2), "ann : hä"},
		{"serpy://h:1", serpy.WithMode(parley.Object(&pickle.List{Items: []any{int64(1)}}), 4), "[1]"},
		{"serpy://h:1?encoding=latin-1", serpy.WithMode(parley.Bytes([]byte("ann : h\xe4")), 0), "ann : hä"},
		{"serpy://h:1", serpy.WithMode(parley.Bytes([]byte("ann : h\xe4")), 0), "ann : h\xe4"},
		// What serpy's sample server makes of plain text, and what is not that.
		{"serpy://h:1", serpy.WithMode(parley.Bytes(relayed), 0), "VOID : häll"},
		{"serpy://h:1", serpy.WithMode(parley.Bytes(relayed), 2), string(relayed)},
		{"tinyproto://h:1", parley.Bytes(relayed), string(relayed)},
		{"serpy://h:1", serpy.WithMode(parley.Bytes([]byte("hello")), 0), "hello"},
		{"serpy://h:1", serpy.WithMode(parley.Bytes([]byte("ann : 12345")), 0), "ann : 12345"},
	} {
		d, _ := dialectOf(t, test.url)
		if got := d.line(test.m); got != test.want {
			t.Errorf("%s, %v: got %q, want %q", test.url, test.m, got, test.want)
		}
	}
}

func TestUserName(t *testing.T) {
	if name := userName(); chat.CheckName(name) != nil {
		t.Errorf("the user's name is %q", name)
	}
}
