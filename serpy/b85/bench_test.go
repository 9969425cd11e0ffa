package b85

import (
	"bytes"
	"testing"
)

func BenchmarkEncode(b *testing.B) {
	src := randomBytes(1, 1<<20)
	dst := make([]byte, 0, EncodedLen(len(src)))
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		dst = Encode(dst[:0], src)
	}
}

func BenchmarkDecode(b *testing.B) {
	data := randomBytes(1, 1<<20)
	src := Encode(nil, data)
	dst := make([]byte, 0, len(data))
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, err = Decode(dst[:0], src); err != nil {
			b.Fatal(err)
		}
	}
	if !bytes.Equal(dst, data) {
		b.Fatal("decoded something else")
	}
}
