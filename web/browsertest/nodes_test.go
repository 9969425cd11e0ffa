package browsertest

import (
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/internal/originals"
	"github.com/parley-net/parley/serpy2"
)

// joined starts three machines: a hub with servers of two wires and one that has joined it
// with one, in one room, and a door that has joined too. It returns the ports.
func joined(t *testing.T, hub, leaf []string) (at []string, there string, door *process) {
	t.Helper()
	dir := t.TempDir()
	a := start(t, append(append([]string{"serve"}, hub...), "--relay", "--room", "lab", "--hub", "127.0.0.1:0", "--bus-dir", dir)...)
	join := []string{"--room", "lab", "--join", a.all(`hub on (tls://\S+)`, 1)[0], "--secret-file", filepath.Join(dir, "secret")}
	b := start(t, append(append([]string{"serve"}, leaf...), append([]string{"--relay"}, join...)...)...)
	door = start(t, append([]string{"web", "--listen", "0"}, join...)...)
	return a.all(`listening on \S+127\.0\.0\.1:(\d+)`, len(hub)), b.all(`listening on \S+127\.0\.0\.1:(\d+)`, 1)[0], door
}

// An original serpy client at one machine, an original tinyproto client at another and a
// browser at a third are in one room, and each hears the others. Where the original serpy is
// not there, an original tinyproto client takes its place.
func TestOriginalsOnThreeMachines(t *testing.T) {
	b := browse(t)
	at, there, door := joined(t, []string{"serpy://127.0.0.1:0", "tinyproto://127.0.0.1:0?turns=on"}, []string{"tinyproto://127.0.0.1:0?turns=on"})
	name, program, port := "serpy", serpyClient, at[0]
	if _, err := originals.Path("serpy"); err != nil && exec.Command(originals.Python(), "-c", "import serpy").Run() != nil {
		t.Logf("left out: there is no original serpy here: %v; tinyproto instead", err)
		name, program, port = "tinyproto2", tinyprotoClient, at[1]
	}
	one, two := python(t, name, program, port), python(t, "tinyproto2", tinyprotoClient, there)
	b.do(chromedp.Navigate(door.url()))
	b.until(`document.querySelector("nav a")`)
	js[int](b, `import("/parley.js").then(async p => {
		window.c = p.connect();
		window.heard = [];
		(async () => { for await (const m of c.room("lab")) heard.push(m.bytes ? new TextDecoder().decode(m.bytes) : m.text); })();
		while ((await c.ask("who", { to: "lab" })).members.length < 3) await new Promise(f => setTimeout(f, 20));
		return 0;
	})`)
	for range 10 {
		one.says("from one")
		two.hears("heard from one")
		b.until(`heard.splice(0).join() === "from one"`)
		two.says("from two")
		one.hears("heard from two")
		b.until(`heard.splice(0).join() === "from two"`)
		js[int](b, `c.send("lab", "from the browser").then(() => 0)`)
		one.hears("heard from the browser")
		two.hears("heard from the browser")
	}
	t.Logf("measured: %s, tinyproto2 and a browser at three machines, 10 rounds of three, each message heard by both others", name)
	for _, e := range b.wrong() {
		t.Error(e)
	}
}

// A page at one machine draws what a camera at another one shows to the room.
func TestCameraOfAnotherMachine(t *testing.T) {
	b := browse(t)
	at, _, door := joined(t, []string{"serpy2://127.0.0.1:0"}, []string{"tinyproto://127.0.0.1:0"})
	c, err := parley.Dial(t.Context(), serpy2.Protocol{}, "127.0.0.1:"+at[0])
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	ended, stop := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		images := frames(16, 64)
		for k := 0; ; k++ {
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
				c.Send(t.Context(), parley.Bytes(images[k%len(images)]))
			}
		}
	}()
	defer func() { close(stop); <-ended }()
	b.do(chromedp.Navigate(door.url() + "/#/camera"))
	b.until(`document.querySelector("canvas")?.width === 64`)
	for _, e := range b.wrong() {
		t.Error(e)
	}
}
