package browsertest

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/parley-net/parley"
)

// place is a page of the dashboard somewhere, and what shows that it works.
type place struct {
	name, url, ready string
	do               func(b *tab) // makes it show something
}

// places are all pages.
func (h *house) places() []place {
	fill := func(b *tab) {
		js[int](b, `(() => { const i = document.querySelector("main input"); i.value = "MEAS:VOLT?"; document.querySelector("main form button").click(); return 0 })()`)
		b.until(`document.querySelectorAll(".talk li").length >= 2`)
	}
	add := func(b *tab) {
		js[int](b, `(() => { document.querySelector("main form button").click(); return 0 })()`)
		b.until(`document.querySelector(".plot canvas")`)
		js[int](b, `import("/parley.js").then(async p => { const c = p.connect(); for (let i = 0; i < 12; i++) { await c.call("psu1", "MEAS:VOLT?"); await new Promise(f => setTimeout(f, 250)) } c.close(); return 0 })`)
		b.until(`Number(document.querySelector(".scroll tbody td:nth-child(5)")?.textContent) >= 2`)
	}
	find := func(b *tab) {
		b.until(`[...document.querySelectorAll("main button")].some(b => b.textContent === "Show")`)
		js[int](b, `(() => { [...document.querySelectorAll("main button")].find(b => b.textContent === "Show").click(); return 0 })()`)
		b.until(`document.querySelectorAll("main tbody")[1].rows.length === 400`)
	}
	return []place{
		{"overview", h.chat + "/#/overview", `document.body.innerText.includes("tinyproto://127.0.0.1")`, nil},
		{"overview-door", h.door + "/#/overview", `document.body.innerText.includes("psu1")`, nil},
		{"connections", h.chat + "/#/connections", `document.querySelectorAll("main tbody tr").length >= 3`, nil},
		{"messages", h.chat + "/#/messages?to=cam1", `document.querySelectorAll("main tbody tr").length >= 2`, nil},
		{"plot", h.door + "/#/plot", `document.querySelector("main form")`, add},
		{"camera", h.door + "/#/camera?to=camera", `document.querySelector("canvas")?.width === 128`, nil},
		{"console", h.door + "/#/console", `document.querySelector("main form")`, fill},
		{"rooms", h.chat + "/#/rooms", `document.querySelectorAll("main tbody tr").length >= 3`, nil},
		{"recordings", h.door + "/#/recordings", `document.querySelectorAll("main tbody tr").length >= 1`, find},
		{"transfers", h.files + "/#/transfers", `document.querySelectorAll("main tbody tr").length >= 1`, nil},
	}
}

// talk has clients say something in the chat until the test ends.
func (h *house) talk(t *testing.T) {
	conns := []*parley.Conn{h.join(t), h.join(t), h.join(t)}
	done := make(chan struct{})
	var ended sync.WaitGroup
	for _, c := range conns {
		ended.Go(func() { // one that reads nothing is cut by and by
			for _, err := c.Receive(t.Context()); err == nil; _, err = c.Receive(t.Context()) {
			}
		})
	}
	ended.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-time.After(50 * time.Millisecond):
				conns[i%3].Send(t.Context(), parley.Text(fmt.Sprintf("reading %d of %d", i, i%7)))
			case <-done:
				return
			}
		}
	})
	t.Cleanup(func() { close(done); ended.Wait() })
}

// Every page at three widths, light and dark: it shows what it is about, nothing is told on
// the console (so nothing breaks the policy without inline), and axe-core has no serious
// finding.
func TestEveryPage(t *testing.T) {
	b := browse(t)
	h := build(t)
	h.talk(t)
	sawAxe := false
	for _, p := range h.places() {
		for _, scheme := range []string{"light", "dark"} {
			for _, size := range [][2]int64{{1440, 900}, {820, 1100}, {390, 800}} {
				b.look(size[0], size[1], scheme)
				b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(p.url))
				b.until(`document.querySelector("main h1") && document.querySelector("nav a[aria-current]")`)
				b.until(p.ready)
				if p.do != nil {
					p.do(b)
				}
				name := fmt.Sprintf("%s-%s-%d", p.name, scheme, size[0])
				if wide := js[int64](b, "document.documentElement.scrollWidth"); wide > size[0] {
					t.Errorf("%s: the page is %d wide", name, wide)
				}
				b.picture(name)
				findings, ok := b.axe()
				sawAxe = ok
				for _, f := range findings {
					t.Errorf("%s: %s", name, f)
				}
				for _, e := range b.wrong() {
					t.Errorf("%s: %s", name, e)
				}
			}
		}
	}
	if !sawAxe {
		if os.Getenv("PARLEY_REQUIRE_BROWSER") != "" {
			t.Error("PARLEY_AXE names no axe.min.js")
		}
		t.Log("SKIPPED: accessibility by axe-core, as PARLEY_AXE names no axe.min.js")
	}
}

// press presses keys.
func (b *tab) press(keys string) { b.do(chromedp.KeyEvent(keys)) }

// focused describes what has the focus.
func (b *tab) focused() string {
	return js[string](b, `(() => { const e = document.activeElement; return (e.getAttribute("aria-label") ?? e.labels?.[0]?.textContent ?? e.textContent ?? "").trim().slice(0, 60) + " <" + e.tagName.toLowerCase() + ">" })()`)
}

// tabTo presses Tab until something has the focus whose description has this in it.
func (b *tab) tabTo(what string) {
	b.t.Helper()
	var seen []string
	for range 200 {
		b.press(kb.Tab)
		if at := b.focused(); strings.Contains(at, what) {
			return
		} else {
			seen = append(seen, at)
		}
	}
	b.t.Fatalf("Tab does not come to %q, but to %q", what, seen)
}

// Everything that can be used on every page is come to by Tab, in both directions there is
// no trap, and what has the focus is shown.
func TestKeyboardReachesEverything(t *testing.T) {
	b := browse(t)
	h := build(t)
	h.talk(t)
	b.look(1440, 900, "light")
	for _, p := range h.places() {
		b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(p.url))
		b.until(p.ready)
		const all = `[...document.querySelectorAll("a[href], button, input, select, textarea, [tabindex='0']")].filter(e => !e.disabled && e.checkVisibility() && e.tabIndex >= 0)`
		js[int](b, `(() => { window.reached = new Set(); window.ring = []; document.addEventListener("focusin", e => { reached.add(e.target); const s = getComputedStyle(e.target); if (s.outlineStyle === "none" || parseFloat(s.outlineWidth) < 1) ring.push(e.target.outerHTML.slice(0, 120)); }); return 0 })()`)
		n := js[int](b, all+".length")
		for range n + 30 {
			b.press(kb.Tab)
		}
		if left := js[[]string](b, all+`.filter(e => !reached.has(e) && !e.closest("tbody")).map(e => e.outerHTML.slice(0, 120))`); len(left) > 0 {
			t.Errorf("%s: Tab does not come to %q", p.name, left)
		}
		if bare := js[[]string](b, "ring"); len(bare) > 0 {
			t.Errorf("%s: the focus can't be seen on %q", p.name, bare)
		}
	}
}

// A person without a mouse finds a connection, closes it with a reason and a ban, and is
// back where she was.
func TestKeyboardOnly(t *testing.T) {
	b := browse(t)
	h := build(t)
	first, second := h.join(t), h.join(t)
	b.look(1440, 900, "light")
	b.do(chromedp.Navigate(h.chat))
	b.until(`document.querySelector("nav a")`)
	b.press(kb.Tab)
	if at := b.focused(); !strings.HasPrefix(at, "Skip to the page") {
		t.Errorf("the first Tab comes to %s", at)
	}
	b.tabTo("Connections <a>")
	b.press(kb.Enter)
	b.until(`document.title.startsWith("Connections")`)
	b.until(`document.querySelectorAll("main tbody tr").length === 2`)
	b.tabTo("Filter <input>")
	mine := first.NetConn().LocalAddr().String()
	b.press(mine)
	b.until(`document.querySelectorAll("main tbody tr").length === 1`)
	b.tabTo("Age <button>")
	b.press(kb.Enter)
	b.until(`document.querySelector("th[aria-sort=ascending]").textContent === "Age"`)
	b.tabTo("Close " + mine)
	b.press(kb.Enter)
	b.until(`document.querySelector("dialog[open]")`)
	if at := b.focused(); !strings.HasPrefix(at, "Reason") {
		t.Errorf("the dialog begins at %s", at)
	}
	b.press("too loud")
	b.press(kb.Enter)
	select {
	case <-first.Done():
	case <-time.After(patience):
		t.Fatal("the connection is not closed")
	}
	b.until(`!document.querySelector("dialog")`)
	b.until(`document.getElementById("state").textContent.includes("is closed")`)
	if second.Err() != nil {
		t.Errorf("the other one has ended too: %v", second.Err())
	}
	// Escape leaves a dialog without doing anything.
	b.tabTo("Skip to the page")
	b.tabTo("Filter <input>")
	js[int](b, `(() => { document.activeElement.select(); return 0 })()`)
	b.press(kb.Backspace)
	b.until(`document.querySelectorAll("main tbody tr").length === 1`)
	b.tabTo("Close " + second.NetConn().LocalAddr().String())
	b.press(kb.Enter)
	b.until(`document.querySelector("dialog[open]")`)
	b.press(kb.Escape)
	b.until(`!document.querySelector("dialog")`)
	if at := b.focused(); !strings.HasPrefix(at, "Close "+second.NetConn().LocalAddr().String()) {
		t.Errorf("behind the dialog the focus is at %s", at)
	}
	if second.Err() != nil {
		t.Error("Escape has closed it")
	}
}

// Focus and selection stay where they are while rows come, change, move and go.
func TestFocusAndSelectionStay(t *testing.T) {
	b := browse(t)
	h := build(t)
	h.talk(t)
	kept := h.join(t)
	mine := kept.NetConn().LocalAddr().String()
	b.look(1440, 900, "dark")
	b.do(chromedp.Navigate(h.chat + "/#/connections"))
	b.until(`document.querySelectorAll("main tbody tr").length === 4`)
	// Sorted by what changes all the time.
	js[int](b, `(() => { [...document.querySelectorAll("thead button")].find(b => b.textContent === "In").click(); return 0 })()`)
	js[int](b, `(() => { window.kept = document.querySelector('[aria-label="Close ' + $1 + '"]'); kept.focus(); return 0 })()`, mine)
	for range 4 { // others come and go, and the rows change their places
		passing := h.join(t)
		b.until(`[...document.querySelectorAll("main td")].some(td => td.textContent === $1)`, passing.NetConn().LocalAddr().String())
		kept.Send(t.Context(), parley.Text("hello"))
		passing.CloseNow()
		b.until(`![...document.querySelectorAll("main td")].some(td => td.textContent === $1)`, passing.NetConn().LocalAddr().String())
	}
	if !js[bool](b, "document.activeElement === kept && kept.isConnected") {
		t.Errorf("the focus is at %s", b.focused())
	}
	// The one that has the focus ends: it stays until it is left.
	kept.CloseNow()
	b.until(`kept.closest("tr").className === "gone"`)
	if !js[bool](b, "document.activeElement === kept && kept.isConnected") {
		t.Errorf("the focus is at %s", b.focused())
	}
	js[int](b, `(() => { kept.blur(); return 0 })()`)
	b.until("!kept.isConnected")
	js[int](b, `(() => { const td = document.querySelector("main tbody tr:nth-child(2) td:nth-child(4)"); getSelection().selectAllChildren(td); window.chosen = String(getSelection()); return 0 })()`)
	for range 3 {
		passing := h.join(t)
		b.until(`[...document.querySelectorAll("main td")].some(td => td.textContent === $1)`, passing.NetConn().LocalAddr().String())
		passing.CloseNow()
		time.Sleep(1100 * time.Millisecond)
	}
	if got := js[string](b, "String(getSelection())"); got == "" || got != js[string](b, "chosen") {
		t.Errorf("%q is selected, %q was", got, js[string](b, "chosen"))
	}
	for _, e := range b.wrong() {
		t.Error(e)
	}
}
