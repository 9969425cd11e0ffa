package load

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestSeedDeterminesContents(t *testing.T) {
	contents := func(seed uint64) string {
		p := newPayloads(Config{Seed: seed, Size: 20, Text: true})
		return p.message(0, 1).Text() + p.message(1, 1).Text() + p.message(0, 2).Text()
	}
	if again := contents(1); contents(1) != again || again == contents(2) || contents(1) == contents(1<<56+1) {
		t.Error("the seed, all of it, must determine the contents")
	}
	p := newPayloads(Config{Size: 8})
	seen := make(map[string]bool)
	for i := range int64(offsets) {
		seen[string(p.message(0, i).Bytes())] = true
	}
	if len(seen) != offsets {
		t.Errorf("%d different messages of %d", len(seen), offsets)
	}
}

func TestJudge(t *testing.T) {
	for _, test := range []struct {
		rep           Report
		limit, behind string
	}{
		{rep: Report{CPU: 0.5}},
		{rep: Report{CPU: 0.95}, limit: "used 95% of its"},
		{rep: Report{Rate: 10, PerSecond: 10, LateP99: 900, Latency: Latency{P99: 1000}}},
		{rep: Report{Rate: 10, PerSecond: 10, LateP99: 2000, Latency: Latency{P99: 30_000}}},
		{rep: Report{Rate: 10, PerSecond: 10, LateP99: 5000, Latency: Latency{P99: 30_000}}, limit: "more than 5ms late by its own fault"},
		{rep: Report{Rate: 1000, PerSecond: 900, Seconds: 1, Messages: 900, Conns: 1}, behind: "900 of 1000 messages per second"},
		{rep: Report{Rate: 10, PerSecond: 9, Seconds: 1, Messages: 9, Conns: 1}}, // the last one came a moment late
	} {
		r := test.rep
		r.judge()
		if !strings.Contains(r.Limit, test.limit) || (r.Limit == "") != (test.limit == "") ||
			!strings.Contains(r.Behind, test.behind) || (r.Behind == "") != (test.behind == "") {
			t.Errorf("%+v", r)
		}
	}
}

func TestReportIsJSON(t *testing.T) {
	b, err := json.Marshal(Report{Conns: 1, Depth: 2, Latency: Latency{P99: 1.5}})
	if err != nil || !strings.Contains(string(b), `"p99":1.5`) || strings.Contains(string(b), "rate") {
		t.Errorf("%s, %v", b, err)
	}
}

// Recording must not be what limits the generator.
func TestRecordDoesNotAllocate(t *testing.T) {
	var r recorder
	r.init(4)
	if n := testing.AllocsPerRun(100, func() { r.record(2, time.Millisecond) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	p := newPayloads(Config{Size: 100})
	if n := testing.AllocsPerRun(100, func() { p.message(1, 5) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
