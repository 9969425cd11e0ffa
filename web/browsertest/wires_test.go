package browsertest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/frame"
	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/recording"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// said is a value as a page says it, and as Go does.
type said struct {
	frame string
	m     parley.Message
}

// values has every type, with what numbers of a browser can't have.
func values() []said {
	huge, _ := new(big.Int).SetString("1180591620717411303424", 10) // 2^70
	long := strings.Repeat("0123456789abcdef", 64)
	return []said{
		{`{"text":"MEAS:VOLT?"}`, parley.Text("MEAS:VOLT?")},
		{`{"text":"grüße, 北京 🙂"}`, parley.Text("grüße, 北京 🙂")},
		{`{"text":"` + long + `"}`, parley.Text(long)},
		{`{"kind":"int","text":"-5"}`, parley.Int(-5)},
		{`{"kind":"int","text":"9007199254740993"}`, parley.Int(1<<53 + 1)},
		{`{"kind":"int","text":"1180591620717411303424"}`, parley.BigInt(huge)},
		{`{"kind":"float","text":"0.1"}`, parley.Float(0.1)},
		{`{"kind":"float","text":"-0.0"}`, float("-0.0")},
		{`{"kind":"float","text":"nan"}`, float("nan")},
		{`{"kind":"float","text":"-inf"}`, float("-inf")},
		{`{"kind":"float","text":"5e-324"}`, parley.Float(5e-324)},
		{`{"kind":"bytes","b64":"AP8B"}`, parley.Bytes([]byte{0, 255, 1})},
		{`{"kind":"bytes","b64":""}`, parley.Bytes([]byte{})},
		{`{"kind":"object","json":{"a":[1,2.5,null,true],"b":"x"}}`, object(`{"a":[1,2.5,null,true],"b":"x"}`)},
		{`{"kind":"object","json":[9007199254740991,-0.5,"é"]}`, object(`[9007199254740991,-0.5,"é"]`)},
	}
}

func float(text string) parley.Message {
	m, err := recording.Value{Kind: "float", Text: &text}.Message()
	if err != nil {
		panic(err) // the text is written here
	}
	return m
}

func object(text string) parley.Message {
	m, err := recording.Value{Kind: "object", JSON: json.RawMessage(text)}.Message()
	if err != nil {
		panic(err) // the text is written here
	}
	return m
}

// serveFile serves a file at an origin of its own.
func serveFile(t *testing.T, name string) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		http.ServeFile(w, r, name)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// A page without a library asks a server of each wire everything that there is, and has
// what a Go client has: the same type, the same value, or an error where there is one.
func TestPageWithoutALibrary(t *testing.T) {
	b := browse(t)
	wires := []struct {
		url string
		p   parley.Protocol
	}{
		{"oneline://127.0.0.1:0", oneline.Protocol{UTF8: true}},
		{"tinyproto://127.0.0.1:0", tinyproto.Protocol{}},
		{"serpy://127.0.0.1:0", serpy.Protocol{}},
		{"serpy2://127.0.0.1:0", serpy2.Protocol{}},
		{"line://127.0.0.1:0", line.Protocol{}},
		{"scpi://127.0.0.1:0", line.SCPI()},
		{"frame://127.0.0.1:0?size=u32be&strip=head", frame.Protocol{Size: frame.U32BE, Strip: frame.Head}},
	}
	args := []string{"serve", "--echo"}
	for _, w := range wires {
		args = append(args, w.url)
	}
	servers := start(t, args...)
	at := servers.all(`listening on (\S+://[^\s?]+)`, len(wires))
	origin := serveFile(t, "testdata/plain.html")
	args = []string{"web", "--listen", "0", "--origin", origin, "--timeout", "3s"}
	for i, w := range wires {
		url := at[i]
		if _, options, ok := strings.Cut(w.url, "?"); ok {
			url += "?" + options
		}
		args = append(args, "--target", w.p.Name()+fmt.Sprint(i)+"="+url)
	}
	// What Go has; the one client of a oneline server leaves before the page comes.
	type answer struct {
		m   parley.Message
		err error
	}
	want := make([][]answer, len(wires))
	for i, w := range wires {
		_, addr, _ := strings.Cut(at[i], "://")
		c, err := parley.Dial(t.Context(), w.p, addr)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range values() {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			m, err := c.Call(ctx, v.m)
			cancel()
			want[i] = append(want[i], answer{m.Clone(), err})
		}
		c.Close()
	}
	door := start(t, args...).url()
	b.do(chromedp.Navigate(origin + "/?door=" + door))
	b.until("window.targets")
	equal, refused := 0, 0
	for i, w := range wires {
		for j, v := range values() {
			got := js[map[string]any](b, fmt.Sprintf(`ask("%d-%d", {op: "call", to: $1, ...%s})`, i, j, v.frame), w.p.Name()+fmt.Sprint(i))
			wanted := want[i][j]
			if wanted.err != nil {
				if got["error"] == nil {
					t.Errorf("%s %s: the page got %v, Go %v", w.p.Name(), v.frame, got, wanted.err)
				}
				refused++
				continue
			}
			r := recording.Recorded(wanted.m)
			keys := map[string]any{"ref": got["ref"], "kind": r.Kind}
			switch {
			case r.Text != nil:
				keys["text"] = *r.Text
			case r.B64 != nil:
				keys["b64"] = js[string](b, "btoa(String.fromCharCode(...$1))", ints(r.B64))
			default:
				var v any
				json.Unmarshal(r.JSON, &v)
				keys["json"] = v
			}
			for _, extra := range []string{"mode", "pickle", "invalid"} { // how it travelled, not what it says
				delete(got, extra)
			}
			if !reflect.DeepEqual(got, keys) {
				t.Errorf("%s %s: the page got %v, Go %v", w.p.Name(), v.frame, got, keys)
			}
			// What the wire has a type for comes back as it was said.
			if w.p.Traits().Types.Has(v.m.Type()) && wanted.m.Type() == v.m.Type() {
				if back := messageOf(t, got); back.Type() != v.m.Type() || !bytes.Equal(recording.Payload(back), recording.Payload(v.m)) {
					t.Errorf("%s: the page said %s and got %v", w.p.Name(), v.frame, got)
				}
				equal++
			}
		}
	}
	t.Logf("measured: %d values on 7 wires came back as they were said, %d had no form there, as for Go", equal, refused)
	if equal < 29 {
		t.Errorf("only %d values were equal both ways", equal)
	}
	for _, e := range b.wrong() {
		t.Error(e)
	}
}

// messageOf returns what a frame says: bytes that are text may stand there as text.
func messageOf(t *testing.T, frame map[string]any) parley.Message {
	t.Helper()
	b, err := json.Marshal(frame)
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Kind string
		Text *string
		B64  []byte
		JSON json.RawMessage
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	m, err := recording.Value{Kind: v.Kind, Text: v.Text, B64: v.B64, JSON: v.JSON}.Message()
	if err != nil {
		t.Fatalf("%v: %v", frame, err)
	}
	return m
}

func ints(b []byte) []int {
	all := []int{}
	for _, c := range b {
		all = append(all, int(c))
	}
	return all
}

// parley.js: values become what JavaScript has for them, a room is heard in order, a
// connection that is lost is made again, and what was missed meanwhile is told.
func TestLibrary(t *testing.T) {
	b := browse(t)
	at := start(t, "serve", "--echo", "serpy2://127.0.0.1:0", "serpy://127.0.0.1:0").all(`listening on (\S+)`, 2)
	args := []string{"web", "--listen", "0", "--target", "echo=" + at[0], "--target", "pickled=" + at[1], "--room", "lab"}
	door := start(t, args...)
	url := door.url()
	b.do(chromedp.Navigate(url))
	b.until(`document.querySelector("nav a")`)
	js[int](b, `import("/parley.js").then(p => { window.c = p.connect(); window.d = p.connect(); window.states = []; c.on(s => states.push(s)); return 0 })`)
	got := js[string](b, `(async () => {
		const same = async v => { const m = await c.call("echo", v); return m.value instanceof Uint8Array ? [...m.value].join() : typeof m.value + " " + (Object.is(m.value, -0) ? "-0" : m.value); };
		return (await Promise.all(["grüße 🙂", 5, 2n ** 60n, 0.5, NaN, -Infinity, new Uint8Array([0, 255])].map(same))).join("; ");
	})()`)
	if want := "string grüße 🙂; number 5; bigint 1152921504606846976; number 0.5; number NaN; number -Infinity; 0,255"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	// An object, whose numbers may be larger than one of JavaScript.
	if !js[bool](b, `(async () => { const m = await c.call("pickled", [1, 2n ** 70n, { a: null, b: "é", c: 0.5 }]); return m.value[1] === 2n ** 70n && m.value[0] === 1 && m.value[2].a === null && m.value[2].b === "é" && m.value[2].c === 0.5; })()`) {
		t.Error("an object is not equal")
	}
	// More than a frame of text takes, and many at once.
	if !js[bool](b, `(async () => { const big = new Uint8Array(300000).map((_, i) => i * 7); const m = await c.call("echo", big); return m.value.length === 300000 && m.value.every((x, i) => x === big[i]); })()`) {
		t.Error("300,000 bytes are not equal")
	}
	js[int](b, `(async () => {
		window.heard = [];
		window.room = d.room("lab");
		(async () => { for await (const m of room) heard.push(m.missed ?? m.value); heard.push("over"); })();
		while ((await d.ask("who", { to: "lab" })).members.length < 1) ;
		for (let i = 0; i < 100; i++) await c.send("lab", "n" + i);
		return 0;
	})()`)
	b.until(`heard.length === 100 && heard.every((v, i) => v === "n" + i)`)
	if msg := js[string](b, `c.call("nobody", "x").catch(e => e.message)`); !strings.Contains(msg, `no target "nobody"`) {
		t.Error(msg)
	}
	// The door goes and comes back at the same port.
	door.end()
	b.until(`states.some(s => s !== "open" && s !== "connecting")`)
	_, port, _ := strings.Cut(strings.TrimPrefix(url, "http://"), ":")
	args[2] = port
	start(t, args...).url()
	b.until(`states.at(-1) === "open"`)
	js[int](b, `(async () => {
		while ((await c.ask("who", { to: "lab" })).members.length < 1) await new Promise(f => setTimeout(f, 20));
		await c.send("lab", "again");
		return 0;
	})()`)
	b.until(`heard.at(-1) === "again" && heard.at(-2) === 0`)
	js[int](b, `(async () => { await room.return(); return 0 })()`)
	b.until(`heard.at(-1) === "over"`)
}
