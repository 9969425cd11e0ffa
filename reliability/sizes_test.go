package reliability

import (
	"math"
	"testing"
	"time"

	"github.com/parley-net/parley"
)

// Connections that announce the largest message of their wire and then say
// nothing cost next to nothing: memory grows with what has arrived, never with
// what was announced.
//
// Verifies: RUNTIME-09
func TestAnnouncedSizes(t *testing.T) {
	const most = math.MaxUint32
	cases := []struct {
		name     string
		wire     string
		config   childConfig
		announce string
		answer   string // what comes when the announcement has been read
	}{
		{"tinyproto refused", "tinyproto", childConfig{}, "\xff" + tinyHead(0xF0FFFFFF), "\xff\x00"},
		{"tinyproto in memory", "tinyproto", childConfig{Limits: parley.Limits{MaxMessage: most}}, "\xff" + tinyHead(0xF0FFFFFF) + "a few bytes", "\xff\xff"},
		{"tinyproto as a stream", "tinyproto", childConfig{Streams: true}, "\xff" + tinyHead(0xF0FFFFFF) + "a few bytes", "\xff\xff"},
		{"serpy2 refused", "serpy2", childConfig{}, serpy2Block(0x21, "x") + serpy2Head(0x81, 0, math.MaxUint32) + "a few bytes", serpy2Block(0x21, "x")},
		{"serpy2 in memory", "serpy2", childConfig{Limits: parley.Limits{MaxMessage: most}}, serpy2Block(0x21, "x") + serpy2Head(0x81, 0, math.MaxUint32) + "a few bytes", serpy2Block(0x21, "x")},
		{"serpy2 as a stream", "serpy2", childConfig{Streams: true}, serpy2Block(0x21, "x") + serpy2Head(0x81, 0, math.MaxUint32) + "a few bytes", serpy2Block(0x21, "x")},
	}
	n := scale(1000, 200)
	eachDriver(t, func(t *testing.T, d driver) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				together(t)
				w := formOf(c.wire)
				c.config.Timeouts.Progress = 5 * time.Minute // they stay
				server := startChild(t, d, w, c.config)
				honest := dial(t, w, server.addr)
				if _, err := latencies(honest, 200*time.Millisecond); err != nil { // warm up
					t.Fatal(err)
				}
				before, grown := server.rss(), int64(0)
				text := disturbed(t, honest, time.Duration(scale(2000, 400))*time.Millisecond, func() (end func()) {
					crowd := gather(t, server.addr, n, c.announce, c.answer)
					grown = server.rss() - before
					return crowd.leave
				})
				each := grown / int64(n)
				figure(t, "%d connections: %.1f KiB each, process %.1f MiB; %s", n, float64(each)/1024, float64(before+grown)/(1<<20), text)
				if raceEnabled {
					return // its own memory is more than that
				}
				if each > 64<<10 || before+grown > 100<<20 {
					t.Errorf("want less than 64 KiB each, and 100 MiB in all")
				}
			})
		}
	})
}

func formOf(name string) form {
	for _, w := range forms {
		if w.name == name {
			return w
		}
	}
	panic(name)
}
