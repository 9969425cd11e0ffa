package session

import "github.com/parley-net/parley/internal/bufpool"

// Assembly is a message that arrives in pieces and is put together in memory.
// Its buffer grows with the bytes that have arrived, never with the size that
// was announced.
type Assembly struct {
	state assemblyState
	size  int64 // -1: unknown
	buf   []byte
	lost  error // why its pieces are skipped
}

type assemblyState uint8

const (
	assemblyNone assemblyState = iota
	assemblyFilling
	assemblySkipping // refused: the pieces are thrown away
	assemblyTold     // likewise, and the program knows
)

// Idle reports whether no message arrives in pieces.
func (a *Assembly) Idle() bool { return a.state == assemblyNone }

// Begin starts with a message of that size, -1 if it is unknown.
func (a *Assembly) Begin(size int64) { *a = Assembly{state: assemblyFilling, size: size} }

// Skip throws the message away as it arrives. why is what the program is told.
func (a *Assembly) Skip(why error) {
	bufpool.Put(a.buf)
	*a = Assembly{state: assemblySkipping, lost: why}
}

// Tell returns why the message that is being skipped is lost: the program knows now.
func (a *Assembly) Tell() error {
	a.state = assemblyTold
	return a.lost
}

// Space returns where to read so that a large message's bytes need no copy, or nil.
// It never takes the message's last byte: so no message is complete, and no handler
// runs, while they are processed.
func (a *Assembly) Space() []byte {
	rest := a.size - int64(len(a.buf)) - 1
	if a.state != assemblyFilling || rest < ReadSize {
		return nil
	}
	a.buf = bufpool.Grow(a.buf, ReadSize)
	free := a.buf[len(a.buf):cap(a.buf)]
	return free[:min(int64(len(free)), rest)]
}

// Holds returns how much the buffer has, or will have when it has grown for what is read
// next: large ones grow by much, and must not all at once.
func (a *Assembly) Holds() int64 {
	n, next := len(a.buf), len(a.buf)+ReadSize
	if a.size >= 0 {
		next = int(min(int64(next), a.size))
	}
	if a.state == assemblyFilling && n >= 8*ReadSize && next > cap(a.buf) {
		return int64(bufpool.Size(next))
	}
	return int64(cap(a.buf))
}

// Add puts p behind what has arrived; it may lie where Room has said.
func (a *Assembly) Add(p []byte) {
	if a.lost != nil {
		return
	}
	if n := len(a.buf); cap(a.buf)-n >= len(p) && len(p) > 0 && &a.buf[:n+1][n] == &p[0] {
		a.buf = a.buf[:n+len(p)] // read directly into place
		return
	}
	a.buf = append(bufpool.Grow(a.buf, len(p)), p...)
}

// Over reports whether a message of unknown size has outgrown limit.
func (a *Assembly) Over(limit int64) bool {
	return a.lost == nil && a.size < 0 && int64(len(a.buf)) > limit
}

// Take ends the assembly and returns the message's bytes.
func (a *Assembly) Take() []byte {
	b := a.buf
	*a = Assembly{}
	return b
}

// Drop ends the assembly and gives the buffer back.
func (a *Assembly) Drop() {
	bufpool.Put(a.buf)
	*a = Assembly{}
}

// Fail ends the assembly of a message of which the machine says that it is lost, and
// why. It returns what to tell the program, nil if that knows.
func (a *Assembly) Fail(err error) error {
	switch {
	case a.state == assemblyTold:
		err = nil
	case a.lost != nil:
		err = a.lost
	}
	a.Drop()
	return err
}

// Size is -1: unknown.
func (a *Assembly) Size() int64 { return a.size }

// Buf returns what has arrived of it.
func (a *Assembly) Buf() []byte { return a.buf }

// Lost is why its pieces are skipped.
func (a *Assembly) Lost() error { return a.lost }
