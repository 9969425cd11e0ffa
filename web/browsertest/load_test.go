package browsertest

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"
)

// full reports whether the measurements have their full size.
func full() bool { return os.Getenv("PARLEY_BROWSER_FULL") != "" }

// usage is what Linux tells of a process.
type usage struct {
	resident int64 // bytes
	cpu      time.Duration
}

func (p *process) usage() usage {
	p.t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		p.t.Skip("left out: only Linux tells what a process uses")
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	f := strings.Fields(rest)
	number := func(i int) int64 { n, _ := strconv.ParseInt(f[i], 10, 64); return n }
	return usage{number(21) * int64(os.Getpagesize()), time.Duration(number(11)+number(12)) * 10 * time.Millisecond}
}

func percentile(all []float64, p float64) float64 {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[min(len(all)-1, int(p*float64(len(all))))]
}

// A camera of 512 × 512 at 60 frames a second on the dashboard's page: how many are drawn,
// how old each is when it is, and what a tab that stands still costs the door.
func TestCamera(t *testing.T) {
	b := browse(t)
	span, frozen := 3*time.Second, 2*time.Second
	if full() {
		span, frozen = 20*time.Second, 60*time.Second
	}
	door := start(t, "web", "--listen", "0", "--target", "camera=serpy2://"+camera(t, 512, 60))
	b.look(1440, 900, "light")
	b.do(chromedp.Navigate(door.url() + "/#/camera"))
	b.until(`document.querySelector("canvas")?.width === 512`)
	js[int](b, `(() => { window.ages = []; document.querySelector("canvas").addEventListener("drawn", e => ages.push(Date.now() - Date.parse(e.detail))); return 0 })()`)
	time.Sleep(span)
	ages := js[[]float64](b, "ages")
	rate := float64(len(ages)) / span.Seconds()
	t.Logf("measured: 512 × 512 float32 at 60 a second: %.1f drawn a second, age %.0f ms in the median, p99 %.0f ms; asked for: 50, 50 ms", rate, percentile(ages, 0.5), percentile(ages, 0.99))
	if len(ages) == 0 {
		t.Error("nothing is drawn")
	}
	most := func(d time.Duration) (bytes int64) { // of the process, garbage included, so both are the most of many
		for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			bytes = max(bytes, door.usage().resident)
		}
		return bytes
	}
	before := most(span)
	state := func(s page.SetWebLifecycleStateState) {
		if _, err := chromedp.Call(b.ctx, page.SetWebLifecycleState, page.SetWebLifecycleStateParams{State: s}); err != nil {
			t.Fatal(err)
		}
	}
	state("frozen")
	more := most(frozen) - before
	t.Logf("measured: a tab that stood still for %v: the door grew by %.1f MiB; asked for: 4 MiB", frozen, float64(more)/(1<<20))
	if more > 64<<20 {
		t.Errorf("the door grew by %d bytes", more)
	}
	state("active")
	b.until(`document.getElementById("state").textContent === "connected"`) // and it goes on
}

// dialPage opens a page's socket from an address of this machine.
func dialPage(t *testing.T, url string, from int) (*websocket.Conn, error) {
	local := &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(1+from))}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{LocalAddr: local}).DialContext}}
	req, err := http.NewRequestWithContext(t.Context(), "POST", url+"/ticket", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Origin", url)
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var got struct{ Ticket string }
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil {
		return nil, err
	}
	ws, _, err := websocket.Dial(t.Context(), strings.Replace(url, "http", "ws", 1)+"/ws", &websocket.DialOptions{HTTPClient: client, Subprotocols: []string{"parley.v1"}})
	if err != nil {
		return nil, err
	}
	if err := ws.Write(t.Context(), websocket.MessageText, fmt.Appendf(nil, `{"op":"hello","ticket":%q}`, got.Ticket)); err != nil {
		return nil, err
	}
	_, _, err = ws.Read(t.Context())
	return ws, err
}

// A thousand sockets of pages: what each costs at rest, and what ten messages a second to
// each cost.
func TestThousandSockets(t *testing.T) {
	if testing.Short() {
		t.Skip("a thousand sockets are not for -short")
	}
	n, span := 200, 2*time.Second
	if full() {
		n, span = 1000, 20*time.Second
	}
	door := start(t, "web", "--listen", "0", "--room", "lab")
	url := door.url()
	speaker, err := dialPage(t, url, 9)
	if err != nil {
		t.Fatal(err)
	}
	defer speaker.CloseNow()
	before := door.usage()
	var heard atomic.Int64
	var ended sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	defer ended.Wait()
	defer cancel()
	for i := range n {
		ws, err := dialPage(t, url, i/200)
		if err != nil {
			t.Fatalf("socket %d: %v", i, err)
		}
		defer ws.CloseNow()
		if err := ws.Write(t.Context(), websocket.MessageText, []byte(`{"op":"sub","id":1,"to":"lab","ref":1}`)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := ws.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
		ended.Go(func() {
			for {
				if _, _, err := ws.Read(ctx); err != nil {
					return
				}
				heard.Add(1)
			}
		})
	}
	time.Sleep(4 * time.Second) // what has only come is let go of
	idle := door.usage()
	t.Logf("measured: %d sockets with a subscription at rest: %.1f KiB each; asked for: 32 KiB", n, float64(idle.resident-before.resident)/float64(n)/1024)
	began, said := time.Now(), 0
	for tick := time.NewTicker(100 * time.Millisecond); time.Since(began) < span; <-tick.C {
		said++
		if err := speaker.Write(t.Context(), websocket.MessageText, fmt.Appendf(nil, `{"op":"send","to":"lab","text":"reading %d"}`, said)); err != nil {
			t.Fatal(err)
		}
	}
	took := time.Since(began)
	cores := (door.usage().cpu - idle.cpu).Seconds() / took.Seconds()
	for end := time.Now().Add(patience); heard.Load() < int64(said*n) && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
	}
	if got := heard.Load(); got != int64(said*n) {
		t.Errorf("%d messages were heard, %d said to %d sockets", got, said, n)
	}
	t.Logf("measured: %d sockets, %.1f messages a second each: %.2f of a core; asked for: 0.5", n, float64(said)/took.Seconds(), cores)
}
