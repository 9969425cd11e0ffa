package pickle

import (
	"bytes"
	"fmt"
	"testing"
)

func benchmarkValues() []struct {
	name string
	v    any
} {
	ints, floats, records := &List{}, &List{}, &List{}
	words := &Dict{}
	for i := range 100_000 {
		ints.Items = append(ints.Items, i)
		floats.Items = append(floats.Items, float64(i)+0.5)
		words.Pairs = append(words.Pairs, Pair{fmt.Sprint("key", i), fmt.Sprint("value", i)})
	}
	for i := range 10_000 {
		records.Items = append(records.Items, &Dict{Pairs: []Pair{{"id", i}, {"name", fmt.Sprint("name", i)}, {"tags", &List{Items: []any{"a", "b"}}}}})
	}
	return []struct {
		name string
		v    any
	}{
		{"bytes1M", bytes.Repeat([]byte("x"), 1<<20)},
		{"bytes100", bytes.Repeat([]byte("x"), 100)},
		{"ints100k", ints},
		{"floats100k", floats},
		{"dict100k", words},
		{"records10k", records},
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, c := range benchmarkValues() {
		for _, protocol := range []int{2, 5} {
			b.Run(fmt.Sprintf("%s/%d", c.name, protocol), func(b *testing.B) {
				p, err := Append(nil, c.v, protocol)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(p)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := Decode(p, Limits{}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, c := range benchmarkValues() {
		for _, protocol := range []int{2, 5} {
			b.Run(fmt.Sprintf("%s/%d", c.name, protocol), func(b *testing.B) {
				p, err := Append(nil, c.v, protocol)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(p)))
				b.ReportAllocs()
				for b.Loop() {
					if p, err = Append(p[:0], c.v, protocol); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
