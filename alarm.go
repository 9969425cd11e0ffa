package parley

import "time"

// alarm is a timer of a connection. It is made when it is needed first and kept:
// what it calls takes the connection's lock, under which the rest is called.
type alarm struct {
	timer *time.Timer
	armed bool // it has been set, and what it calls has not had the lock
}

// set has f called with a after d, unless it is going to be called already.
func (al *alarm) set(d time.Duration, a *activity, f func(*activity)) {
	switch {
	case al.armed:
	case al.timer == nil:
		al.armed = true
		al.timer = time.AfterFunc(d, func() { f(a) })
	default:
		al.armed = true
		al.timer.Reset(d)
	}
}

// stop keeps f from being called. It returns false if that has been called and waits
// for the lock.
func (al *alarm) stop() bool {
	if al.armed && al.timer.Stop() {
		al.armed = false
	}
	return !al.armed
}

// rang is what f calls first.
func (al *alarm) rang() { al.armed = false }
