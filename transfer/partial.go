package transfer

import (
	"bytes"
	"context"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/parley-net/parley/internal/bufpool"
)

const (
	// lockWait is how long a transfer waits for another one to leave its
	// file: one that was cut is gone in a moment.
	lockWait = 2 * time.Second
	lockPoll = 20 * time.Millisecond
)

// partial is a file that is being received.
type partial struct {
	root    *os.Root
	name    string // its name when it is complete
	part    string // until then
	replace bool   // a file called name may be replaced
	mode    fs.FileMode
	exists  bool // there is one, with this mode
	f       *os.File
	done    bool // it has its name

	size int64     // of the whole file
	at   int64     // bytes that are there
	sum  hash.Hash // of these; nil if nobody asks
	meta *meta     // what it keeps of the sender's; nil: nothing
	tell func(n int)
	err  error // why it can't be written
}

// openPartial opens and locks the file for what arrives for name. What an
// earlier attempt has left is still in it; see prefix and start. It fails if
// name could not be written in the end.
func openPartial(ctx context.Context, root *os.Root, name string, replace bool) (*partial, error) {
	p := &partial{root: root, name: name, part: name + PartSuffix, replace: replace}
	if err := p.checkTarget(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, lockWait, ErrBusy)
	defer cancel()
	for {
		mine, err := p.tryOpen()
		if err != nil {
			return nil, err
		}
		if mine {
			// Whoever had it before may have completed the file meanwhile.
			if err := p.checkTarget(); err != nil {
				p.Close()
				return nil, err
			}
			return p, nil
		}
		select {
		case <-time.After(lockPoll):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// checkTarget looks at what is there under the final name.
func (p *partial) checkTarget() error {
	info, err := p.root.Stat(p.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.IsDir():
		return &fs.PathError{Op: "open", Path: p.name, Err: syscall.EISDIR}
	case !info.Mode().IsRegular():
		return refusef("not a regular file: %s", quote(p.name))
	case !p.replace:
		return &fs.PathError{Op: "create", Path: p.name, Err: fs.ErrExist}
	}
	p.exists, p.mode = true, info.Mode().Perm()
	f, err := p.root.OpenFile(p.name, os.O_WRONLY, 0) // a read-only file stays as it is
	if err != nil {
		return err
	}
	return f.Close()
}

// tryOpen opens and locks the temporary file. It returns false if somebody
// else has it, or has just given it its final name.
func (p *partial) tryOpen() (bool, error) {
	if info, err := p.root.Lstat(p.part); err == nil && !info.Mode().IsRegular() {
		return false, refusef("%s is in the way", quote(p.part))
	}
	f, err := p.root.OpenFile(p.part, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return false, err
	}
	locked, err := lock(f)
	if locked && err == nil {
		p.f = f
		var info fs.FileInfo
		if info, err = f.Stat(); err == nil && p.inPlace() {
			p.at = info.Size()
			return true, nil
		}
	}
	p.f = nil
	f.Close()
	return false, err
}

// inPlace reports whether the temporary file is still where it was opened.
func (p *partial) inPlace() bool {
	there, err := p.root.Lstat(p.part)
	if err != nil {
		return false
	}
	ours, err := p.f.Stat()
	return err == nil && os.SameFile(there, ours)
}

// prefix hashes what is there.
func (p *partial) prefix(ctx context.Context) (digest, error) {
	sum, err := hashPrefix(ctx, p.f, p.at, func() {})
	if err != nil {
		return nil, err
	}
	return p.follow(sum), nil
}

// follow goes on with sum, the hash of what is there, for what is to come.
func (p *partial) follow(sum hash.Hash) digest {
	p.sum = sum
	return sum.Sum(nil)
}

// start begins a file of size bytes: behind what is there, or from zero.
func (p *partial) start(offset, size int64) error {
	p.size = size
	if offset > 0 || p.at == 0 {
		return nil
	}
	if p.sum != nil {
		p.sum.Reset()
	}
	p.at = 0
	return p.f.Truncate(0)
}

// complete reports whether all of the file is there.
func (p *partial) complete() bool { return p.at == p.size }

// take writes a message of size bytes. Nothing of one that is too long is
// written. p.err tells an error of the file from one of the connection.
func (p *partial) take(size int64, r io.Reader) error {
	if left := p.size - p.at; size > left {
		p.err = refusef("a message of %d bytes where %d were left of the file", size, left)
		return p.err
	}
	buf := bufpool.Get(firstPiece)
	defer func() { bufpool.Put(buf) }()
	for {
		n, err := r.Read(buf[:cap(buf)])
		if n > 0 {
			if _, err := p.Write(buf[:n]); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case n == cap(buf) && n < pieceSize: // it comes quickly: fewer, larger reads are cheaper
			bufpool.Put(buf)
			buf = bufpool.Get(2 * n)
		case n < firstPiece && cap(buf) > firstPiece: // it does not any more
			bufpool.Put(buf)
			buf = bufpool.Get(firstPiece)
		}
	}
}

// Write appends b to the file.
func (p *partial) Write(b []byte) (int, error) {
	n, err := p.f.WriteAt(b, p.at)
	p.at += int64(n)
	if p.sum != nil {
		p.sum.Write(b[:n])
	}
	p.err = err
	p.tell(n)
	return n, err
}

// verify compares the whole file with the sender's hash.
func (p *partial) verify(want digest) error {
	if got := p.sum.Sum(nil); !bytes.Equal(got, want) {
		return refusef("the file arrived damaged: its SHA-256 is %x, the sender's %x; send it again", got, want)
	}
	return nil
}

// commit brings the file to the disk and gives it its name.
func (p *partial) commit() error {
	if err := p.f.Sync(); err != nil {
		return err
	}
	switch {
	case p.exists:
		_ = p.f.Chmod(p.mode) // as if the file had been written in place
	case p.meta != nil:
		_ = p.f.Chmod(p.meta.mode)
	}
	if !p.inPlace() {
		return refusef("somebody has removed or replaced %s", quote(p.part))
	}
	if p.meta != nil {
		_ = p.root.Chtimes(p.part, p.meta.time, p.meta.time)
	}
	if !p.replace {
		if err := p.checkTarget(); err != nil {
			return err
		}
	}
	if err := p.root.Rename(p.part, p.name); err != nil { // still locked
		return err
	}
	p.done = true
	return nil
}

// Close gives the file up, or ends the work on one that is complete. What has
// come stays for the next attempt.
func (p *partial) Close() error {
	if info, err := p.f.Stat(); !p.done && err == nil && info.Size() == 0 && p.inPlace() {
		_ = p.root.Remove(p.part)
	}
	return p.f.Close()
}
