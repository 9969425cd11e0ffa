package session

// Limit is which of Timeouts and Limits a connection has passed.
type Limit uint8

const (
	LimitNone Limit = iota
	LimitWrite
	LimitProgress
	LimitHandshake
	LimitAlive // the peer's system answers nothing
	LimitOther // what it was is said in words
)

// String names the fields for the reason why a connection has ended, where that does not.
func (l Limit) String() string {
	return [...]string{LimitWrite: "Timeouts.Write", LimitProgress: "Timeouts.Progress, Limits.MinRate", LimitOther: ""}[l]
}

// Vital is what the kernel tells about whether a peer lives.
type Vital uint8

const (
	VitalNothing Vital = iota // a pipe, a listener that was given to Serve, TCP without keep-alive
	VitalIdle                 // while no output waits for the peer
	VitalAlways
)

// Patience says which clocks count only in a shortage.
type Patience struct{ Write, Progress, Answer bool }

// With returns the clocks that are patient with a peer of which the kernel tells v, and
// for which output waits or does not.
func (p Patience) With(v Vital, waiting bool) Patience {
	if v == VitalNothing || v == VitalIdle && waiting {
		return Patience{}
	}
	return p
}
