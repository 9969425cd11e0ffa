package transfer

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/tinyproto"
)

func newHash() hash.Hash { return sha256.New() }

// source is a file that is being sent.
type source struct {
	r    io.ReaderAt
	size int64
	sum  hash.Hash // of what has been sent; nil if nobody asks
	f    *os.File  // r, if it is a file
	info fs.FileInfo
}

// errStopped: the peer has said something in the middle of the data.
var errStopped = errors.New("the peer interrupts")

// openSource opens a regular file with open. stat comes first: to open a named
// pipe could block.
func openSource(name string, stat func(string) (fs.FileInfo, error), open func(string) (*os.File, error)) (*source, error) {
	info, err := stat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EISDIR}
	}
	if !info.Mode().IsRegular() {
		return nil, refusef("not a regular file: %s", quote(name))
	}
	f, err := open(name)
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err != nil {
		f.Close()
		return nil, err
	}
	return &source{r: f, size: info.Size(), f: f, info: info}, nil
}

// resume returns from where to send to a peer that has n bytes with the hash
// want: from there if the file begins with them, or else from its beginning.
// prefix hashes these.
func (s *source) resume(n int64, want digest, prefix func(n int64) (hash.Hash, error)) (int64, error) {
	s.sum = newHash()
	if n == 0 || n > s.size {
		return 0, nil
	}
	sum, err := prefix(n)
	if err != nil {
		return 0, err
	}
	if string(sum.Sum(nil)) != string(want) {
		return 0, nil
	}
	s.sum = sum
	return n, nil
}

// send sends the file from offset on. tell is called with each number of bytes
// that leave. Between two messages stop is asked whether to end early; behind the end of
// the peer's stream, which gone tells, nothing is; nil: it may still read.
func (s *source) send(ctx context.Context, c *parley.Conn, offset int64, messageSize int, tell func(n int), stop func() bool, gone <-chan struct{}) error {
	for at := offset; at < s.size; {
		if stop() {
			return errStopped
		}
		n := s.next(s.size-at, int64(cmp.Or(messageSize, defaultMessageSize)))
		var r io.Reader = &meter{r: io.NewSectionReader(s.r, at, n), sum: s.sum, tell: tell, gone: gone}
		if s.sum == nil && s.f != nil { // nobody has to see the bytes
			if _, err := s.f.Seek(at, io.SeekStart); err != nil {
				return err
			}
			r = &fileMeter{f: s.f, tell: tell, gone: gone}
		}
		if err := c.SendStream(ctx, n, r); err != nil {
			return err
		}
		at += n
	}
	return nil
}

// next returns the size of the next message when left bytes are to be sent.
// A small message would leave without waiting for the peer, so that one that
// follows a large one could be lost together with it. A peer that resumes need
// not get more than one message again: the last two are of the same size then.
// An original gets the messages it is used to.
func (s *source) next(left, messageSize int64) int64 {
	n := min(messageSize, left)
	if rest := left - n; s.sum != nil && n > tinyproto.EagerLimit && rest > 0 && rest <= tinyproto.EagerLimit {
		return (left + 1) / 2
	}
	return n
}

// changed reports whether the file is not what it was when it was opened.
func (s *source) changed() bool {
	if s.f == nil {
		return false
	}
	now, err := s.f.Stat()
	return err != nil || now.Size() != s.info.Size() || !now.ModTime().Equal(s.info.ModTime())
}

// Close closes the file.
func (s *source) Close() error {
	if s.f == nil {
		return nil
	}
	return s.f.Close()
}

// fileMeter is a file for SendStream that counts what goes by, which need not be in
// memory for that.
type fileMeter struct {
	f    *os.File
	tell func(n int)
	gone <-chan struct{}
}

// fileStep is how many bytes of a file leave before they are told.
const fileStep = 256 << 10

func (m *fileMeter) Read(p []byte) (int, error) {
	if isGone(m.gone) {
		return 0, parley.ErrPeerClosed
	}
	n, err := m.f.Read(p)
	m.tell(n)
	return n, err
}

// WriteTo writes as much of the file as w takes.
func (m *fileMeter) WriteTo(w io.Writer) (sent int64, err error) {
	for err == nil {
		if isGone(m.gone) {
			return sent, parley.ErrPeerClosed
		}
		var n int64
		n, err = io.CopyN(w, m.f, fileStep)
		m.tell(int(n))
		sent += n
	}
	return sent, err
}

// meter reads for SendStream, and hashes and counts what goes by.
type meter struct {
	r    io.Reader
	sum  hash.Hash
	tell func(n int)
	gone <-chan struct{}
}

// isGone reports whether the peer has ended its stream: on this wire a message may leave
// then without its consent, as a peer that has only ended its own direction reads on.
// One that is to confirm a file can't any more.
func isGone(gone <-chan struct{}) bool {
	select {
	case <-gone:
		return true
	default:
		return false
	}
}

func (m *meter) Read(p []byte) (int, error) {
	if isGone(m.gone) {
		return 0, parley.ErrPeerClosed
	}
	n, err := m.r.Read(p)
	if m.sum != nil {
		m.sum.Write(p[:n])
	}
	m.tell(n)
	return n, err
}
