package monitor

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/metrics"
)

// Whatever the library counts is told, by /statz, /connz and /metrics.
//
// Verifies: WEB-22
func TestEveryCounterIsTold(t *testing.T) {
	var s parley.ServerStats
	names := make(map[string]string) // by value
	fill(t, reflect.ValueOf(&s).Elem(), "", names)

	told := numbers(t, serverOf("line://here", s))
	w := httptest.NewRecorder()
	out := metrics.New(w, httptest.NewRequest("GET", "/metrics", nil))
	counters(out, []Server{serverOf("line://here", s)})
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	row := numbers(t, Row{Counts: countsOf(s.Total)})
	for value, name := range names {
		if !told[value] {
			t.Errorf("/statz does not tell %s", name)
		}
		if !strings.Contains(w.Body.String(), `{url="line://here"} `+value+"\n") {
			t.Errorf("/metrics does not tell %s", name)
		}
		if strings.HasPrefix(name, ".Total.") && !row[value] {
			t.Errorf("/connz does not tell %s", name)
		}
	}

	var sum Counts
	sum.Add(countsOf(s.Total))
	sum.Add(countsOf(s.Total))
	for i, v := 0, reflect.ValueOf(sum); i < v.NumField(); i++ {
		one := reflect.ValueOf(countsOf(s.Total)).Field(i)
		if got, want := fmt.Sprint(v.Field(i)), fmt.Sprint(one); got != twice(t, want) {
			t.Errorf("the sum of two %s is %s, of %s each", v.Type().Field(i).Name, got, want)
		}
	}
}

// fill gives each number in v a value of its own.
func fill(t *testing.T, v reflect.Value, path string, names map[string]string) {
	for i := range v.NumField() {
		f, name := v.Field(i), path+"."+v.Type().Field(i).Name
		n := 1_000_001 + len(names)
		switch {
		case name == ".Total.Opened": // a sum has none
			continue
		case f.CanInt():
			f.SetInt(int64(n))
		case f.CanUint():
			f.SetUint(uint64(n))
		case f.Kind() == reflect.Struct:
			fill(t, f, name, names)
			continue
		default:
			t.Fatalf("%s: a counter of type %v", name, f.Type())
		}
		names[fmt.Sprint(n)] = name
	}
}

// numbers returns the numbers in v's JSON.
func numbers(t *testing.T, v any) map[string]bool {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(b, &fields); err != nil {
		t.Fatal(err)
	}
	all := make(map[string]bool)
	for _, value := range fields {
		all[string(value)] = true
	}
	return all
}

func twice(t *testing.T, n string) string {
	var i int
	if _, err := fmt.Sscan(n, &i); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(2 * i)
}
