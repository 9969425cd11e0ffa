package browsertest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// chromium returns where the browser is, or skips the test.
func chromium(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser is not for -short")
	}
	names := []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}
	if own := os.Getenv("PARLEY_CHROMIUM"); own != "" {
		names = []string{own}
	}
	for _, name := range names {
		if at, err := exec.LookPath(name); err == nil {
			return at
		}
	}
	missing(t, "there is no Chromium here (PARLEY_CHROMIUM names it)")
	return ""
}

// missing skips a test, or fails it where all must be there.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("PARLEY_REQUIRE_BROWSER") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// tab is a page in a browser of its own.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu     sync.Mutex
	errors []string
}

// browse starts a browser, with what it is told besides.
func browse(t *testing.T, more ...chromedp.ExecAllocatorOption) *tab {
	t.Helper()
	o := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(chromium(t)), chromedp.NoSandbox,
		chromedp.Env("TMPDIR=/tmp"), // it has a socket there, whose name must be short
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("force-color-profile", "srgb"), chromedp.WSURLReadTimeout(patience))
	alloc, cancel := chromedp.NewExecAllocator(context.Background(), append(o, more...)...)
	t.Cleanup(cancel)
	b := &tab{t: t}
	ctx, cancel := chromedp.NewContext(alloc, chromedp.WithErrorf(func(string, ...any) {}), chromedp.WithListener(b.hear))
	t.Cleanup(cancel)
	b.ctx = ctx
	if err := chromedp.Do(ctx); err != nil { // the browser lives as long as this context
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, log.Enable, cdp.Empty{}); err != nil {
		t.Fatal(err)
	}
	return b
}

// hear collects what is wrong with the page.
func (b *tab) hear(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch ev := ev.(type) {
	case *runtime.EventExceptionThrown:
		text := ev.ExceptionDetails.Text
		if x := ev.ExceptionDetails.Exception; x != nil {
			text += " " + x.Description
		}
		b.errors = append(b.errors, text)
	case *runtime.EventConsoleAPICalled:
		if ev.Type == runtime.ConsoleAPICalledTypeError || ev.Type == runtime.ConsoleAPICalledTypeWarning || ev.Type == runtime.ConsoleAPICalledTypeAssert {
			var all []string
			for _, a := range ev.Args {
				all = append(all, string(a.Value)+a.Description)
			}
			b.errors = append(b.errors, "console: "+strings.Join(all, " "))
		}
	case *log.EventEntryAdded:
		if ev.Entry.Level == log.EntryLevelError || ev.Entry.Level == log.EntryLevelWarning {
			b.errors = append(b.errors, fmt.Sprintf("%s: %s %s", ev.Entry.Source, ev.Entry.Text, ev.Entry.URL))
		}
	}
}

// wrong returns what the console has told since the last call.
func (b *tab) wrong() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.errors
	b.errors = nil
	return all
}

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 2*patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("%v; console: %q", err, b.wrong())
	}
}

// get runs an action that has a value.
func get[T any](b *tab, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 2*patience)
	defer cancel()
	v, err := chromedp.Run(ctx, action)
	if err != nil {
		b.t.Fatalf("%v; console: %q", err, b.wrong())
	}
	return v
}

// js runs a script, waits for its promise, and returns its value.
func js[T any](b *tab, script string, args ...any) T {
	b.t.Helper()
	for i, a := range args {
		v, err := json.Marshal(a)
		if err != nil {
			b.t.Fatal(err)
		}
		script = strings.ReplaceAll(script, fmt.Sprintf("$%d", i+1), string(v))
	}
	return get(b, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
}

// until waits until a script's value is true.
func (b *tab) until(script string, args ...any) {
	b.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if js[bool](b, "Boolean("+script+")", args...) {
			return
		}
	}
	b.t.Fatalf("it does not happen: %s %v; the page says %q; console: %q", script, args, js[string](b, "document.body.innerText.slice(0, 2000)"), b.wrong())
}

// look sets width, scheme and motion.
func (b *tab) look(width, height int64, scheme string) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(width, height))
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}}
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, media); err != nil {
		b.t.Fatal(err)
	}
}

// picture writes what is seen, if PARLEY_SCREENSHOTS names a folder.
func (b *tab) picture(name string) {
	b.t.Helper()
	dir := os.Getenv("PARLEY_SCREENSHOTS")
	if dir == "" {
		return
	}
	png := get(b, chromedp.CaptureScreenshot())
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// axe returns the findings of axe-core that are serious or worse; ok is false if
// axe.min.js is not there.
func (b *tab) axe() (findings []string, ok bool) {
	b.t.Helper()
	file := os.Getenv("PARLEY_AXE")
	if file == "" {
		return nil, false
	}
	if !js[bool](b, "typeof axe === 'object'") {
		source, err := os.ReadFile(file)
		if err != nil {
			b.t.Fatal(err)
		}
		js[int](b, string(source)+"\n;0")
	}
	return js[[]string](b, `axe.run(document, { resultTypes: ["violations"] }).then(r => r.violations.filter(v => v.impact === "serious" || v.impact === "critical")
		.map(v => v.id + " (" + v.impact + "): " + v.help + ": " + v.nodes.map(n => n.html.slice(0, 160) + " " + (n.any[0]?.message ?? "")).join(" | ").slice(0, 600)))`), true
}
