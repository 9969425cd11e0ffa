package browsertest

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// A number is plotted as it comes, and whoever leaves the page and comes back finds all of
// it; axe-core finds what it is there to find.
func TestPlotKeepsItsHistory(t *testing.T) {
	b := browse(t)
	door := start(t, "web", "--listen", "0", "--target", "psu1=oneline://"+instrument(t)).url()
	b.look(1440, 900, "dark")
	b.do(chromedp.Navigate(door + "/#/plot"))
	b.until(`document.querySelector("main form button")`)
	js[int](b, `(() => { document.querySelector("main form button").click(); return 0 })()`)
	b.until(`document.querySelector(".plot canvas")`)
	js[int](b, `import("/parley.js").then(async p => { const c = p.connect(); for (let i = 0; i < 14; i++) { await c.call("psu1", "MEAS:VOLT?"); await new Promise(f => setTimeout(f, 250)) } c.close(); return 0 })`)
	const seconds = `Number(document.querySelector(".scroll tbody td:nth-child(5)")?.textContent)`
	b.until(seconds + ` >= 3`)
	kept := js[int](b, seconds)
	// There is a line: pixels of its colour (#7db8f5).
	b.until(`(() => { const c = document.querySelector(".plot canvas"), d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data; let n = 0; for (let i = 0; i < d.length; i += 4) if (d[i] === 0x7d && d[i + 1] === 0xb8 && d[i + 2] === 0xf5) n++; return n > 5; })()`)
	b.picture("plot-with-values")
	js[int](b, `(() => { location.hash = "#/console"; return 0 })()`)
	b.until(`document.title.startsWith("Console")`)
	b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(door+"/#/plot"))
	b.until(seconds+` >= $1`, kept)
	for _, e := range b.wrong() {
		t.Error(e)
	}
	// The check of accessibility can fail.
	js[int](b, `(() => { const i = document.createElement("input"); document.querySelector("main").append(i); return 0 })()`)
	if findings, ok := b.axe(); ok && len(findings) == 0 {
		t.Error("axe-core does not find an input without a label")
	}
}
