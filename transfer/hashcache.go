package transfer

import (
	"context"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/parley-net/parley/internal/bufpool"
)

const (
	// maxMarks bounds what a hashCache holds: about 200 bytes each.
	maxMarks = 32 << 10
	// A file has a mark every minStep bytes, a large one marksPerFile of them.
	minStep      = 16 << 20
	marksPerFile = 1024
)

// mark is the hash of the beginning of a file.
type mark struct {
	at  int64       // so many bytes
	sum hash.Cloner // not to be written to
}

// hashCache remembers the hashes of the beginnings of files, so that what has
// been hashed costs a client's request at most hashStep bytes.
type hashCache struct {
	files map[string]*hashedFile
	marks int    // of all files
	clock uint64 // counts uses
}

// hashedFile is a file as it was when it was hashed.
type hashedFile struct {
	info  fs.FileInfo
	marks []mark // in order
	used  uint64
}

// hashStep is the distance between two marks of a file.
func hashStep(size int64) int64 { return max(minStep, size/marksPerFile) }

// sameContent reports whether nothing says that the content of a file has
// changed: it is the same one, with its size and time.
func sameContent(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// settled reports whether a later change of the file would show in its time,
// which on some systems counts in steps of two seconds.
func settled(info fs.FileInfo, now time.Time) bool { return now.Sub(info.ModTime()) > 2*time.Second }

// find returns the hash of the beginning of a file that comes closest to n
// bytes from below, and how many it is of: 0 if none is known.
func (k *hashCache) find(name string, info fs.FileInfo, n int64) (hash.Hash, int64) {
	f := k.files[name]
	if f == nil {
		return newHash(), 0
	}
	if !sameContent(f.info, info) {
		k.forget(name)
		return newHash(), 0
	}
	k.clock++
	f.used = k.clock
	for i := len(f.marks) - 1; i >= 0; i-- {
		if m := f.marks[i]; m.at <= n {
			if sum, err := m.sum.Clone(); err == nil {
				return sum, m.at
			}
		}
	}
	return newHash(), 0
}

// keep remembers marks of a file, in order, and forgets those of the files that
// were asked for the longest time ago.
func (k *hashCache) keep(name string, info fs.FileInfo, marks []mark) {
	f := k.files[name]
	if f != nil && !sameContent(f.info, info) {
		k.forget(name)
		f = nil
	}
	if f == nil {
		f = &hashedFile{info: info}
		if k.files == nil {
			k.files = make(map[string]*hashedFile)
		}
		k.files[name] = f
	}
	k.clock++
	f.used = k.clock
	step := hashStep(info.Size())
	all := merge(f.marks, marks, step)
	k.marks += len(all) - len(f.marks)
	f.marks = all
	for k.marks > maxMarks {
		k.forget(k.oldest())
	}
}

// merge returns the marks of both lists in order. Of those that do not stand at a
// step only the last one that was added stays.
func merge(have, more []mark, step int64) []mark {
	var all []mark
	for len(have)+len(more) > 0 {
		var m mark
		switch {
		case len(more) == 0 || len(have) > 0 && have[0].at < more[0].at:
			m, have = have[0], have[1:]
			if m.at%step != 0 {
				continue
			}
		case len(have) > 0 && have[0].at == more[0].at:
			m, have, more = more[0], have[1:], more[1:]
		default:
			m, more = more[0], more[1:]
		}
		all = append(all, m)
	}
	return all
}

func (k *hashCache) forget(name string) {
	k.marks -= len(k.files[name].marks)
	delete(k.files, name)
}

func (k *hashCache) oldest() (name string) {
	var used uint64
	for other, f := range k.files {
		if name == "" || f.used < used {
			name, used = other, f.used
		}
	}
	return name
}

// hashPrefix returns the hash of the first n bytes of r, open for more.
func hashPrefix(ctx context.Context, r io.ReaderAt, n int64, tell func()) (hash.Hash, error) {
	h := newHash()
	return h, hashRange(ctx, r, h, 0, n, tell)
}

// hashOn adds to sum, the hash of the first at bytes of r, what follows up to n,
// and returns the marks that it has passed.
func hashOn(ctx context.Context, r io.ReaderAt, sum hash.Hash, at, n, step int64) ([]mark, error) {
	var marks []mark
	for at < n {
		to := min(n, at-at%step+step)
		if err := hashRange(ctx, r, sum, at, to, func() {}); err != nil {
			return nil, err
		}
		at = to
		if c, ok := sum.(hash.Cloner); ok {
			if copied, err := c.Clone(); err == nil {
				marks = append(marks, mark{at, copied})
			}
		}
	}
	return marks, nil
}

// hashRange adds the bytes of r from at to n to h.
func hashRange(ctx context.Context, r io.ReaderAt, h hash.Hash, at, n int64, tell func()) error {
	buf := bufpool.Get(int(min(n-at, pieceSize)))
	defer bufpool.Put(buf)
	for at < n {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		piece := buf[:min(int64(cap(buf)), n-at)]
		if got, err := r.ReadAt(piece, at); got < len(piece) {
			return fmt.Errorf("reading the first %d bytes: %w", n, err)
		}
		h.Write(piece)
		at += int64(len(piece))
		tell()
	}
	return nil
}
