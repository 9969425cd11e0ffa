package load

import (
	"runtime"
	"time"
)

// coarse is how late a timer of the runtime may well be.
const coarse = 2 * time.Millisecond

// pacer is the clock of the open loop: it wakes each connection when its next
// message is due. It is one goroutine with a thread of its own, because that
// can sleep for microseconds; a timer would make every message about a
// millisecond late.
func (r *run) pacer(s *span) {
	runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
	sleep := r.cfg.sleep
	if sleep == nil {
		sleep = preciseSleep()
	}
	t := time.NewTimer(0)
	defer t.Stop()
	for i := int64(0); ; i++ {
		w := r.workers[i%int64(len(r.workers))]
		due := w.due(s, i/int64(len(r.workers)))
		if !due.Before(s.end) {
			return
		}
		if wait := time.Until(due) - coarse; wait > 0 {
			t.Reset(wait)
			select {
			case <-t.C:
			case <-r.ctx.Done():
				return
			}
		}
		for wait := time.Until(due); wait > 0; wait = time.Until(due) {
			sleep(wait)
		}
		if r.ctx.Err() != nil {
			return
		}
		select {
		case w.wake <- struct{}{}:
		default: // it is awake, or will be
		}
	}
}
