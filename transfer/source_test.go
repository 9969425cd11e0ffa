package transfer

import (
	"slices"
	"testing"

	"github.com/parley-net/parley/tinyproto"
)

// The sizes of the messages: between two peers of this package no small one
// follows a large one.
func TestMessageSizes(t *testing.T) {
	const small, chunk = tinyproto.EagerLimit, defaultMessageSize
	for _, tt := range []struct {
		size, message int64
		checked       bool
		want          []int64
	}{
		{chunk, chunk, true, []int64{chunk}},
		{chunk + 1, chunk, false, []int64{chunk, 1}},
		{chunk + 1, chunk, true, []int64{chunk/2 + 1, chunk / 2}},
		{2*chunk + small, chunk, true, []int64{chunk, chunk/2 + small/2, chunk/2 + small/2}},
		{2*chunk + small + 1, chunk, true, []int64{chunk, chunk, small + 1}},
		{small, chunk, true, []int64{small}},
		{250, 100, true, []int64{100, 100, 50}},
	} {
		s := &source{size: tt.size}
		if tt.checked {
			s.sum = newHash()
		}
		var got []int64
		for left := tt.size; left > 0; left -= got[len(got)-1] {
			got = append(got, s.next(left, tt.message))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%d bytes in messages of %d, checked=%v: %v, want %v", tt.size, tt.message, tt.checked, got, tt.want)
		}
	}
}
