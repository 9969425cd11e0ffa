package prometheus

import (
	"reflect"
	"testing"

	"github.com/parley-net/parley"
)

// Each counter of the library is a metric.
func TestEveryCounterIsCollected(t *testing.T) {
	var s parley.ServerStats
	names := make(map[float64]string) // by value
	fill(t, reflect.ValueOf(&s).Elem(), "", names)
	for _, f := range New(new(parley.Server), nil).families {
		delete(names, f.value(s))
	}
	for _, name := range names {
		t.Errorf("no metric is %s", name)
	}
}

// fill gives each number in v a value of its own.
func fill(t *testing.T, v reflect.Value, path string, names map[float64]string) {
	for i := range v.NumField() {
		f, name := v.Field(i), path+"."+v.Type().Field(i).Name
		n := 1 + len(names)
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
		names[float64(n)] = name
	}
}
