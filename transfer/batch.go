package transfer

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"syscall"
)

// batch writes many small files: each under a name of its own beside its
// destination, all of them to the disk together, and then each gets its name.
type batch struct {
	root    *os.Root
	replace bool // files that are there may be replaced
	token   string

	dir     string   // the folder of the last file
	in      *os.Root // that folder
	written []written
	folders []folder
	named   int // files that have their names
	same    int // files that were there already
}

// written is a file that waits for its name.
type written struct{ path, part string }

// folder is a folder whose mode and time are set when all is in it.
type folder struct {
	path string
	meta *meta
}

func newBatch(root *os.Root, replace bool) *batch {
	return &batch{root: root, replace: replace, token: "." + rand.Text()[:8] + PartSuffix}
}

// errSame: a file with this content is there already.
var errSame = errors.New("there already, and the same")

// put writes a file. errSame says that it is there.
func (b *batch) put(name string, m *meta, want digest, data []byte) error {
	if got := sha256.Sum256(data); !bytes.Equal(got[:], want) {
		return refusef("the file arrived damaged: its SHA-256 is %x, the sender's %x; send it again", got, want)
	}
	if err := b.enter(path.Dir(name)); err != nil {
		return err
	}
	base := path.Base(name)
	old, err := b.checkTarget(base, data)
	if err != nil {
		return err
	}
	part := base + b.token
	f, err := b.in.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	b.written = append(b.written, written{name, path.Join(b.dir, part)})
	_, err = f.Write(data)
	switch {
	case err != nil:
	case old != nil: // as if it had been written in place
		err = f.Chmod(old.Mode().Perm())
	case m != nil:
		err = f.Chmod(m.mode)
	}
	if !syncsTogether && err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil && m != nil {
		err = b.in.Chtimes(part, m.time, m.time)
	}
	if err != nil {
		b.written = b.written[:len(b.written)-1]
		b.in.Remove(part)
	}
	return err
}

// checkTarget looks at what is there under the final name, and returns it if it is to
// be replaced.
func (b *batch) checkTarget(base string, data []byte) (fs.FileInfo, error) {
	info, err := b.in.Stat(base)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, &fs.PathError{Op: "open", Path: base, Err: syscall.EISDIR}
	case !info.Mode().IsRegular():
		return nil, refusef("not a regular file: %s", quote(base))
	case info.Size() == int64(len(data)) && b.has(base, data):
		b.same++
		return nil, errSame
	case !b.replace:
		return nil, &fs.PathError{Op: "create", Path: base, Err: fs.ErrExist}
	}
	f, err := b.in.OpenFile(base, os.O_WRONLY, 0) // a read-only file stays as it is
	if err != nil {
		return nil, err
	}
	return info, f.Close()
}

// has reports whether a file has this content.
func (b *batch) has(base string, data []byte) bool {
	f, err := b.in.Open(base)
	if err != nil {
		return false
	}
	defer f.Close()
	there, err := io.ReadAll(io.LimitReader(f, int64(len(data))+1))
	return err == nil && bytes.Equal(there, data)
}

// enter opens the folder that the next file is in.
func (b *batch) enter(dir string) error {
	if b.in != nil && b.dir == dir {
		return nil
	}
	in, err := b.root.OpenRoot(dir)
	if err != nil {
		return err
	}
	b.leave()
	b.dir, b.in = dir, in
	return nil
}

func (b *batch) leave() {
	if b.in != nil {
		b.in.Close()
		b.in = nil
	}
}

// makeFolder makes a folder and those above it, if they are not there; see finish
// for what it keeps.
func (b *batch) makeFolder(name string, m *meta) error {
	if info, err := b.root.Stat(name); err != nil || !info.IsDir() {
		if err := b.root.MkdirAll(name, 0o777); err != nil {
			return err
		}
	}
	if m != nil {
		b.folders = append(b.folders, folder{name, m})
	}
	return nil
}

// commit brings the files to the disk and gives them their names. failed is called
// for each that does not get it.
func (b *batch) commit(failed func(name string, err error)) error {
	if len(b.written) > 0 {
		if err := syncAll(b.root); err != nil {
			return err
		}
	}
	for i, w := range b.written {
		err := b.enter(path.Dir(w.path))
		if err == nil {
			err = b.name(path.Base(w.part), path.Base(w.path))
		}
		if err != nil {
			failed(w.path, err)
			continue
		}
		b.named++
		b.written[i].part = ""
	}
	b.written = slices.DeleteFunc(b.written, func(w written) bool { return w.part == "" })
	return b.Close() // what has not got its name
}

// name gives a file its name.
func (b *batch) name(part, base string) error {
	if !b.replace {
		err := b.in.Link(part, base) // unlike Rename it replaces nothing
		if err == nil {
			return b.in.Remove(part)
		}
		if errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return b.in.Rename(part, base)
}

// finish sets what folders keep: from the innermost one out, as to write into one
// changes it.
func (b *batch) finish() error {
	var errs []error
	for i := len(b.folders) - 1; i >= 0; i-- {
		f := b.folders[i]
		errs = append(errs, b.root.Chmod(f.path, f.meta.mode), b.root.Chtimes(f.path, f.meta.time, f.meta.time))
	}
	b.folders = nil
	return errors.Join(errs...)
}

// Close removes what has no name yet.
func (b *batch) Close() error {
	for _, w := range b.written {
		if w.part != "" {
			_ = b.root.Remove(w.part)
		}
	}
	b.written = nil
	b.leave()
	return nil
}
