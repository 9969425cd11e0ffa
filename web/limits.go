package web

import (
	"sync/atomic"
	"time"
)

// Limits bound what pages can make the door hold. Zero means the default.
type Limits struct {
	Sockets        int           // open ones; 2,000
	SocketsPerAddr int           // of one IP address; 256
	Subscriptions  int           // of one socket; 64
	Calls          int           // of one socket, under way; 32
	Frame          int64         // bytes of a frame that a page sends; 16 MiB
	Frames         int64         // of all frames that are being read or done, together; 128 MiB
	CreditMessages int           // what may wait for a page, for each subscription; 32
	CreditBytes    int64         // its size together; 1 MiB
	Hello          time.Duration // until the first frame; 5 s
	Call           time.Duration // until the answer of a call, unless it says less; 30 s
}

// withDefaults returns l with its zeros replaced.
func (l Limits) withDefaults() Limits {
	or := func(p *int, n int) {
		if *p <= 0 {
			*p = n
		}
	}
	or64 := func(p *int64, n int64) {
		if *p <= 0 {
			*p = n
		}
	}
	orTime := func(p *time.Duration, d time.Duration) {
		if *p <= 0 {
			*p = d
		}
	}
	or(&l.Sockets, 2000)
	or(&l.SocketsPerAddr, 256)
	or(&l.Subscriptions, 64)
	or(&l.Calls, 32)
	or64(&l.Frame, 16<<20)
	or64(&l.Frames, 128<<20)
	or(&l.CreditMessages, 32)
	or64(&l.CreditBytes, 1<<20)
	orTime(&l.Hello, 5*time.Second)
	orTime(&l.Call, 30*time.Second)
	return l
}

// budget is room that is shared.
type budget struct {
	most int64
	used atomic.Int64
}

// take takes n bytes if there is room.
func (b *budget) take(n int64) bool {
	if b.used.Add(n) <= b.most {
		return true
	}
	b.used.Add(-n)
	return false
}

func (b *budget) give(n int64) { b.used.Add(-n) }
