package interop

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy/pickle"
)

// arrival is a message as it arrives at an original: the value and the mode.
type arrival struct {
	Value described
	Mode  int
}

// arrived describes a message received by parley in the same way.
func arrived(m parley.Message) arrival {
	mode, _ := serpy.Mode(m)
	return arrival{describe(m), mode}
}

func (a arrival) check(t *testing.T, what string, want arrival) {
	t.Helper()
	if a != want {
		t.Errorf("%s: got %+v, want %+v", what, a, want)
	}
}

// The modes that a message moves to when its type does not fit its own.
var (
	bytesMode  = [6]int{2, 3, 2, 3, 2, 3}
	objectMode = [6]int{4, 5, 4, 5, 4, 5}
)

// list is [1, 'a'].
func list() *pickle.List { return &pickle.List{Items: []any{int64(1), "a"}} }

func TestSerpyOriginalServer(t *testing.T) {
	each(t, serpyOriginalServer, "serpy")
}

func serpyOriginalServer(t *testing.T, o origin) {
	open := func(t *testing.T, a args, protocol serpy.Protocol) (*process, *parley.Conn) {
		t.Parallel()
		p := o.start(t)
		c := dial(t, &parley.Dialer{Protocol: protocol}, get[int](p, "listen", a))
		p.do("accept", nil)
		return p, c
	}
	serpyConversations(t, open)

	t.Run("client closes", func(t *testing.T) {
		p, c := open(t, nil, serpy.Protocol{})
		serpyLastWords(t, p, c)
	})

	t.Run("server closes", func(t *testing.T) {
		p, c := open(t, nil, serpy.Protocol{})
		p.do("stop", nil)
		if _, err := c.Receive(soon(t)); !errors.Is(err, parley.ErrPeerClosed) {
			t.Errorf("got %v, want ErrPeerClosed", err)
		}
	})

	// A Client finds the server that has come back, and starts in mode 0 there.
	t.Run("server restarts", func(t *testing.T) {
		t.Parallel()
		p := o.start(t)
		port := get[int](p, "listen", nil)
		client := &parley.Client{Dialer: parley.Dialer{Protocol: serpy.Protocol{}}, Addr: address(port)}
		t.Cleanup(func() { client.Close() })
		for range 3 {
			if _, err := client.Conn(soon(t)); err != nil {
				t.Fatal(err)
			}
			p.do("accept", nil)
			m := parley.Bytes([]byte("in base85"))
			if err := client.Send(soon(t), m); err != nil {
				t.Fatal(err)
			}
			get[arrival](p, "recv", nil).check(t, "to the original", arrival{describe(m), 2})
			p.do("send", args{"value": "b'back'", "mode": 3})
			back, err := client.Receive(soon(t))
			if err != nil {
				t.Fatal(err)
			}
			arrived(back).check(t, "from the original", arrival{describe(parley.Bytes([]byte("back"))), 3})
			p.do("stop", nil)
			p.do("listen", args{"port": port})
		}
	})
}

func TestSerpyOriginalClient(t *testing.T) {
	each(t, serpyOriginalClient, "serpy")
}

func serpyOriginalClient(t *testing.T, o origin) {
	open := func(t *testing.T, a args, protocol serpy.Protocol) (*process, *parley.Conn) {
		t.Parallel()
		srv := &parley.Server{Protocol: protocol, Pull: true}
		p := o.start(t)
		withPort := args{"port": serve(t, srv)}
		for k, v := range a {
			withPort[k] = v
		}
		p.do("connect", withPort)
		return p, accept(t, srv)
	}
	serpyConversations(t, open)

	t.Run("server closes", func(t *testing.T) {
		p, c := open(t, nil, serpy.Protocol{})
		serpyLastWords(t, p, c)
	})

	t.Run("client closes", func(t *testing.T) {
		p, c := open(t, nil, serpy.Protocol{})
		p.do("close", nil)
		if _, err := c.Receive(soon(t)); !errors.Is(err, parley.ErrPeerClosed) {
			t.Errorf("got %v, want ErrPeerClosed", err)
		}
	})

	// An original with auto_restart comes back. It keeps its old mode then
	// without saying so; in mode 0 there is nothing to say.
	t.Run("client restarts", func(t *testing.T) {
		t.Parallel()
		srv := &parley.Server{Protocol: serpy.Protocol{}, Pull: true}
		port := serve(t, srv)
		p := o.start(t)
		p.do("connect", args{"port": port, "restart": true})
		for range 3 {
			c := accept(t, srv)
			p.do("send", args{"value": "'here again'"})
			arrived(receive(t, c)).check(t, "from the original", arrival{describe(parley.Bytes([]byte("here again"))), 0})
			m := parley.Text("welcome")
			send(t, c, m)
			get[arrival](p, "recv", nil).check(t, "to the original", arrival{describe(parley.Bytes(m.Bytes())), 0})
			c.CloseNow()
		}
	})

	// A relay that keeps the mode hands on what originals say to each other.
	t.Run("relay", func(t *testing.T) {
		t.Parallel()
		srv := &parley.Server{Protocol: serpy.Protocol{ForceMode: true, NoPickle: true}}
		srv.Handler = parley.HandlerFunc(func(_ context.Context, c *parley.Conn, m parley.Message) error {
			_, err := srv.Broadcast(m, c)
			return err
		})
		opened := make(chan bool, 2)
		srv.Hooks.OnOpen = func(context.Context, *parley.Conn) error { opened <- true; return nil }
		port := serve(t, srv)
		from, to := o.start(t), o.start(t)
		for _, p := range []*process{from, to} {
			p.do("connect", args{"port": port})
			<-opened
		}
		for mode, c := range []struct {
			python string
			want   parley.Message
		}{
			{"'text'", parley.Bytes([]byte("text"))},
			{"'text'", parley.Bytes([]byte("text"))},
			{"mix(1000)", parley.Bytes(mix(1000))},
			{"mix(1000)", parley.Bytes(mix(1000))},
			{"[1, 'a']", parley.Object(list())},
			{"[1, 'a']", parley.Object(list())},
		} {
			from.do("send", args{"value": c.python, "mode": mode})
			get[arrival](to, "recv", nil).check(t, "relayed", arrival{describe(c.want), mode})
		}
	})
}

// serpyConversations are what is the same in both roles. open connects an
// original and parley with the given options, in a parallel test.
func serpyConversations(t *testing.T, open func(*testing.T, args, serpy.Protocol) (*process, *parley.Conn)) {
	for mode := range 6 {
		t.Run(fmt.Sprintf("mode %d", mode), func(t *testing.T) {
			p, c := open(t, nil, serpy.Protocol{})
			serpyMode(t, p, c, mode)
		})
	}

	for _, e := range []struct{ name, text string }{
		{"ascii", "plain"},
		{"latin-1", "Grüße"},
		{"utf-8", "Grüße, 世界 😀"},
		{"cp1252", "5 € für Grüße"},
	} {
		t.Run("encoding "+e.name, func(t *testing.T) {
			encoding, err := serpy.LookupEncoding(e.name)
			if err != nil {
				t.Fatal(err)
			}
			p, c := open(t, args{"encoding": e.name}, serpy.Protocol{Encoding: encoding})
			encoded, err := encoding.Encode(nil, []byte(e.text))
			if err != nil {
				t.Fatal(err)
			}
			for mode := range 6 {
				want := arrival{describe(parley.Bytes(encoded)), mode}
				send(t, c, serpy.WithMode(parley.Text(e.text), mode))
				get[arrival](p, "recv", nil).check(t, "to the original", want)
				same(t, "decoded there", get[described](p, "look", args{"text": fmt.Sprintf("got.decode(%q)", e.name)}), describe(parley.Text(e.text)))
				p.do("send", args{"value": fmt.Sprintf("%q", e.text), "mode": mode})
				m := receive(t, c)
				arrived(m).check(t, "from the original", want)
				if text, err := encoding.Decode(nil, m.Bytes()); err != nil || string(text) != e.text {
					t.Errorf("decoded here: %q, %v, want %q", text, err, e.text)
				}
			}
		})
	}

	// What has no form in its mode arrives all the same.
	t.Run("hard cases", func(t *testing.T) {
		p, c := open(t, nil, serpy.Protocol{})
		for _, h := range []struct {
			text    string
			mode    int
			arrives int
		}{
			{"", 0, 3}, {"", 1, 1}, {"", 2, 3}, {"", 3, 3}, {"", 4, 4}, {"", 5, 5},
			{"\x01SETMODE3", 0, 2}, {"\x01SETMODE3", 1, 3},
			{"a\x1fb", 0, 2}, {"a\x1fb", 1, 3},
			{"a\x04b", 0, 0}, {"a\x04b", 1, 3},
		} {
			m := serpy.WithMode(parley.Text(h.text), h.mode)
			send(t, c, m)
			get[arrival](p, "recv", nil).check(t, fmt.Sprintf("%q in mode %d", h.text, h.mode), arrival{describe(parley.Bytes(m.Bytes())), h.arrives})
		}
	})

	t.Run("several outstanding", func(t *testing.T) {
		p, c := open(t, nil, serpy.Protocol{})
		const n = 8 // an original takes ten
		for i := range n {
			send(t, c, serpy.WithMode(parley.Int(int64(i)), 1))
		}
		if err := c.Confirm(soon(t), parley.Text("the last")); err != nil {
			t.Error(err)
		}
		for i := range n {
			get[arrival](p, "recv", nil).check(t, "to the original", arrival{describe(parley.Bytes([]byte(parley.Int(int64(i)).Text()))), 1})
		}
		get[arrival](p, "recv", nil).check(t, "to the original", arrival{describe(parley.Bytes([]byte("the last"))), 1})
		p.do("send", args{"value": "'again'", "times": n})
		for range n {
			arrived(receive(t, c)).check(t, "from the original", arrival{describe(parley.Bytes([]byte("again"))), 0})
		}
	})

	t.Run("pickles", func(t *testing.T) {
		p, c := open(t, nil, serpy.Protocol{})
		serpyPickles(t, p, c)
	})

	t.Run("no unpickling", func(t *testing.T) {
		p, c := open(t, args{"unpickle": false}, serpy.Protocol{ForceMode: true, NoPickle: true})
		p.do("send", args{"value": "[1, 'a']", "mode": 4})
		m := receive(t, c)
		if v, err := pickle.Decode(m.Bytes(), pickle.Limits{}); err != nil || pickle.Repr(v) != "[1, 'a']" {
			t.Errorf("the pickle that arrived holds %v, %v", v, err)
		}
		send(t, c, m) // the pickle, in the mode in which it came
		get[arrival](p, "recv", nil).check(t, "to the original", arrival{describe(parley.Bytes(m.Bytes())), 4})
		same(t, "unpickled there", get[described](p, "look", args{"text": "__import__('pickle').loads(got)"}), describe(parley.Object(list())))
	})
}

// serpyLastWords closes a connection right behind some messages. The original
// must get them all.
func serpyLastWords(t *testing.T, p *process, c *parley.Conn) {
	lastWords(t, c)
	for _, want := range words {
		get[arrival](p, "recv", nil).check(t, "to the original", arrival{describe(parley.Bytes(want.Bytes())), 0})
	}
	p.do("broken", nil)
}

// serpyMode sends messages of every type and size class there and back in the
// given mode.
func serpyMode(t *testing.T, p *process, c *parley.Conn, mode int) {
	// asBytes is what arrives of text and numbers.
	asBytes := func(m parley.Message) described { return describe(parley.Bytes([]byte(m.Text()))) }
	type message struct {
		sample
		want arrival
	}
	var messages []message
	for _, s := range []sample{{"-12", parley.Int(-12)}, {"2.5", parley.Float(2.5)}, {"1e300", parley.Float(1e300)}} {
		messages = append(messages, message{s, arrival{asBytes(s.message), mode}})
	}
	for _, size := range []int{1, small, large} {
		text, binary := letters(size), mixed(size)
		messages = append(messages, message{text, arrival{asBytes(text.message), mode}},
			message{binary, arrival{describe(binary.message), bytesMode[mode]}})
	}
	if mode == 1 || mode >= 3 { // where nothing has a form
		s := letters(0)
		messages = append(messages, message{s, arrival{asBytes(s.message), mode}})
	}
	object := sample{"[1, 'a']", parley.Object(list())}
	messages = append(messages, message{object, arrival{describe(object.message), objectMode[mode]}})

	for i, m := range messages {
		deliver := c.Send
		if mode%2 == 1 && i%2 == 1 {
			deliver = c.Confirm
		}
		if err := deliver(soon(t), serpy.WithMode(m.message, mode)); err != nil {
			t.Fatalf("%s: %v", m.python, err)
		}
		get[arrival](p, "recv", nil).check(t, "to the original, "+m.python, m.want)
	}
	for _, m := range messages {
		acknowledged := get[*bool](p, "send", args{"value": m.python, "mode": mode})
		if mode%2 == 1 && (acknowledged == nil || !*acknowledged) {
			t.Errorf("%s was not acknowledged by parley", m.python)
		}
		arrived(receive(t, c)).check(t, "from the original, "+m.python, m.want)
	}
}

// serpyPickles sends values of every kind here and back.
func serpyPickles(t *testing.T, p *process, c *parley.Conn) {
	for i, python := range []string{
		"None", "True", "False",
		"[]", "[0, -1, 255, 65536, 2**31, -2**63, 2**63, -2**200]",
		"[0.0, -0.0, 1.5, 1e300, 5e-324, math.inf, -math.inf, math.nan, 2-3.5j]",
		"['', 'a', 'Grüße, 世界 😀', 'x' * 300]",
		"[b'', b'a', bytes(range(256)), b'x' * 300, bytearray(b'abc')]",
		"()", "(1,)", "(1, 'b', (2.5, [None]))",
		"{}", "{'z': 1, 'a': [True, None], 3: (4,), b'k': {'deep': {}}, None: 0, (1, 2): 3}",
		"set()", "{'one'}", "frozenset()", "frozenset({(1, 2)})",
		"list(range(3000))", "{str(i): i for i in range(1500)}", "[[]] * 500",
	} {
		mode := 4 + i%2
		p.do("send", args{"value": python, "mode": mode})
		m := receive(t, c)
		want := arrival{get[described](p, "look", args{"text": python}), mode}
		arrived(m).check(t, "from the original", want)
		send(t, c, m)
		get[arrival](p, "recv", nil).check(t, "back to the original", want)
	}

	// Values of Go's own.
	for python, v := range map[string]any{
		"[1, 2, 3]":                []any{1, uint8(2), int32(3)},
		"{'a': 1.5, 'b': [b'x']}":  map[string]any{"b": []any{[]byte("x")}, "a": float32(1.5)},
		"('only', None, (1+2j))":   &pickle.Tuple{Items: []any{"only", nil, 1 + 2i}},
		"bytearray(b'\\x00\\xff')": &pickle.ByteArray{Bytes: []byte{0, 255}},
	} {
		send(t, c, parley.Object(v))
		p.do("recv", nil)
		same(t, python, get[described](p, "look", args{"text": "repr(got)"}), describe(parley.Text(python)))
	}

	// Shared and recursive values keep their identity, there and back.
	for _, s := range []struct{ python, holds string }{
		{"(lambda a: [a, a, {'k': a}])([1])", "got[0] is got[1] is got[2]['k'] and got[0] == [1]"},
		{"(lambda a: a.append(a) or a)([])", "got[0] is got and len(got) == 1"},
		{"(lambda d: d.update(me=d, l=[d]) or d)({})", "got['me'] is got and got['l'][0] is got"},
		{"(lambda a: a.append((a,)) or a)([])", "got[0][0] is got"},
	} {
		p.do("send", args{"value": s.python, "mode": 4})
		send(t, c, receive(t, c))
		p.do("recv", nil)
		same(t, s.python+": "+s.holds, get[described](p, "look", args{"text": s.holds}), describe(parley.Object(true)))
	}

	// A class arrives as a description of what Python would have made.
	p.do("send", args{"value": "__import__('datetime').date(2024, 2, 29)", "mode": 5})
	m := receive(t, c)
	if call, ok := m.Object().(*pickle.Call); !ok || *call.Func.(*pickle.Global) != (pickle.Global{Module: "datetime", Name: "date"}) {
		t.Errorf("a date arrived as %v", m)
	}
}
