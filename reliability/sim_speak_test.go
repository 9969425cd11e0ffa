package reliability

import (
	"context"
	"time"

	"github.com/parley-net/parley"
)

// size picks the size of a message: edges, and everything between.
func (a *actor) size() int {
	edges := []int{0, 3, 4, 16 << 10, 64 << 10}
	n := a.rng.IntN(64)
	switch a.rng.IntN(4) {
	case 0:
		n = edges[a.rng.IntN(len(edges))] + a.rng.IntN(5) - 2
	case 1:
		n = a.rng.IntN(a.sim.plan.most)
	}
	n = max(0, min(n, a.sim.plan.most))
	if n > 0 && n < 3 { // no room for the tag
		n = 3
	}
	return n
}

// speak sends the messages of one task.
func (a *actor) speak() {
	for _, size := range a.sim.plan.sizes[a.side] {
		if !a.say(size) {
			return
		}
	}
	for range a.sim.plan.messages {
		a.pause()
		if !a.say(a.size()) {
			return
		}
	}
}

// say sends one message in one of the ways there are. It returns false when
// nothing more can be sent.
func (a *actor) say(size int) bool {
	l := a.sends
	m := a.sim.kind.random(a.rng, l.tag(a.task), size)
	confirm, stream := false, false
	switch a.rng.IntN(6) {
	case 0, 1:
		confirm = a.sim.kind.traits().Confirms
	case 2:
		t := a.sim.kind.traits() // without SendsStreams it has to be in memory
		stream = m.Type() == parley.TypeBytes && (t.SendsStreams || !a.sim.plan.streams)
	}
	if a.sim.plan.streams && m.Type() != parley.TypeBytes && m.Type() != parley.TypeText {
		m = randomBytes(a.rng, l.tag(a.task), size) // a stream has no number in it
	}
	ctx := a.sim.ctx
	if a.sim.plan.cancel && a.rng.IntN(3) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(a.rng.Int64N(int64(3*time.Millisecond))))
		defer cancel()
	}
	what := "Send"
	switch {
	case confirm:
		what = "Confirm"
	case stream:
		what = "SendStream"
	}
	e := l.sending(a.task, m, what)
	done := a.doing("%s %d, %d bytes", what, e.n, m.Len())
	var err error
	switch {
	case confirm:
		err = a.conn.Confirm(ctx, m)
	case stream:
		err = a.conn.SendStream(ctx, int64(m.Len()), &slowReader{a, m.Bytes()})
	default:
		err = a.conn.Send(ctx, m)
	}
	if m.Type() == parley.TypeBytes {
		clear(m.Bytes()) // it may be used again
	}
	done(err)
	l.sent(e, confirm, err)
	if err == nil {
		return true
	}
	if ctx.Err() != nil && a.sim.ctx.Err() == nil && a.conn.Err() == nil {
		return true // given up, and the connection lives
	}
	a.mustHaveEnded(err)
	return false
}

// mustHaveEnded checks that a call had a reason to fail.
func (a *actor) mustHaveEnded(err error) {
	if a.sim.plan.ending == endQuiet && !a.sim.plan.cancel {
		a.sim.problem("%s failed on a sound connection: %v", a.name, err)
	}
}

// leave ends the connection as the plan says.
func (a *actor) leave() {
	s := a.sim
	mine := s.plan.closer == a.side
	switch s.plan.ending {
	case endQuiet:
		if mine {
			a.waitQuiet()
			a.close()
		}
	case endEarly:
		if s.kind.traits().Lockstep && a.side == dialing || !s.kind.traits().Lockstep && mine {
			a.left.Wait()
			a.close()
		}
	case endBoth:
		a.left.Wait()
		a.close()
	case endCut:
		if mine {
			a.sleep()
			a.cut()
		}
	case endReset:
		if a.side == dialing { // if the byte never comes
			a.waitQuiet()
			a.cut()
		}
	case endShutdown:
		if a.side == accepting {
			a.sleep()
			done := a.doing("Shutdown")
			err := s.srv.Shutdown(s.ctx)
			done(err)
			if err != nil {
				s.problem("Shutdown: %v", err)
			}
		}
	}
	done := a.doing("the end")
	<-a.conn.Done()
	done(nil)
}

// sleep waits for about as long as the programs run.
func (a *actor) sleep() {
	for range a.rng.IntN(4 * a.sim.plan.messages) {
		a.pause()
	}
}

// cut ends the connection at once, also if it was lost before.
func (a *actor) cut() {
	a.unwanted.Store(true)
	a.conn.CloseNow()
}

func (a *actor) close() {
	done := a.doing("Close")
	err := a.conn.Close()
	done(err)
	if err != nil && a.sim.plan.ending != endBoth && !a.sim.plan.cancel {
		a.sim.problem("%s: %v", a.name, err)
	}
}
