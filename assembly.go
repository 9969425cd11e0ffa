package parley

import "github.com/parley-net/parley/internal/bufpool"

// assembly is a message that arrives in pieces and is put together in memory.
// Its buffer grows with the bytes that have arrived, never with the size that
// was announced.
type assembly struct {
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

// idle reports whether no message arrives in pieces.
func (a *assembly) idle() bool { return a.state == assemblyNone }

// begin starts with a message of that size, -1 if it is unknown.
func (a *assembly) begin(size int64) { *a = assembly{state: assemblyFilling, size: size} }

// skip throws the message away as it arrives. why is what the program is told.
func (a *assembly) skip(why error) {
	bufpool.Put(a.buf)
	*a = assembly{state: assemblySkipping, lost: why}
}

// tell returns why the message that is being skipped is lost: the program knows now.
func (a *assembly) tell() error {
	a.state = assemblyTold
	return a.lost
}

// room returns where to read so that a large message's bytes need no copy, or nil.
// It never takes the message's last byte: so no message is complete, and no handler
// runs, while they are processed.
func (a *assembly) room() []byte {
	rest := a.size - int64(len(a.buf)) - 1
	if a.state != assemblyFilling || rest < readSize {
		return nil
	}
	a.buf = bufpool.Grow(a.buf, readSize)
	free := a.buf[len(a.buf):cap(a.buf)]
	return free[:min(int64(len(free)), rest)]
}

func (a *assembly) add(p []byte) {
	if a.lost != nil {
		return
	}
	if n := len(a.buf); cap(a.buf)-n >= len(p) && len(p) > 0 && &a.buf[:n+1][n] == &p[0] {
		a.buf = a.buf[:n+len(p)] // read directly into place
		return
	}
	a.buf = append(bufpool.Grow(a.buf, len(p)), p...)
}

// over reports whether a message of unknown size has outgrown limit.
func (a *assembly) over(limit int64) bool {
	return a.lost == nil && a.size < 0 && int64(len(a.buf)) > limit
}

// take ends the assembly and returns the message's bytes.
func (a *assembly) take() []byte {
	b := a.buf
	*a = assembly{}
	return b
}

// drop ends the assembly and gives the buffer back.
func (a *assembly) drop() {
	bufpool.Put(a.buf)
	*a = assembly{}
}

// fail ends the assembly of a message of which the machine says that it is lost, and
// why. It returns what to tell the program, nil if that knows.
func (a *assembly) fail(err error) error {
	switch {
	case a.state == assemblyTold:
		err = nil
	case a.lost != nil:
		err = a.lost
	}
	a.drop()
	return err
}
