package session

import (
	"testing"

	"github.com/parley-net/parley/internal/bufpool"
)

// What is told to the budget before more is read is what there is afterwards: large
// buffers are counted before they grow.
//
// Verifies: LIMITS-05
func TestGrowthIsCounted(t *testing.T) {
	const large = 8 * ReadSize
	for _, n := range []int{large, large + 1, 1<<20 - ReadSize, 1<<20 - 1, 1 << 20, 3 << 20, 4<<20 - 10, 4 << 20, 5 << 20} {
		for _, size := range []int64{-1, int64(n) + 1, int64(n) + ReadSize, int64(n) + ReadSize + 1, 64 << 20} {
			a := Assembly{state: assemblyFilling, size: size, buf: append(bufpool.Get(n), make([]byte, n)...)}
			told := a.Holds()
			if free := a.Space(); free == nil {
				next := int64(ReadSize)
				if size >= 0 {
					next = min(next, size-int64(n))
				}
				a.Add(make([]byte, next))
			}
			if got := int64(cap(a.buf)); got > told || told > max(got, int64(bufpool.Size(n+ReadSize))) {
				t.Errorf("%d bytes of %d: told %d, holds %d", n, size, told, got)
			}
			a.Drop()
		}
		for _, space := range []int{n, n + ReadSize, 2 * n} {
			in := Input{b: append(bufpool.Get(space), make([]byte, n)...)}
			told := in.Kept()
			in.Space()
			if got := cap(in.b); got > told {
				t.Errorf("%d bytes of input in %d: told %d, holds %d", n, space, told, got)
			}
			in.Release()
		}
	}
}
