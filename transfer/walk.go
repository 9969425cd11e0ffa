package transfer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Entry is a file or a folder.
type Entry struct {
	Path    string // with / between its parts
	Size    int64  // in bytes; 0 for a folder
	Mode    fs.FileMode
	ModTime time.Time
	// Problem says why it can't be had: a link that leads nowhere or round, or
	// what is neither file nor folder. Empty: all is well.
	Problem string
}

// IsDir reports whether it is a folder.
func (e Entry) IsDir() bool { return e.Mode.IsDir() }

// maxDepth is how deep folders are looked into.
const maxDepth = 64

// walker is where walk walks: a folder of this machine, or one that is served.
type walker struct {
	stat    func(name string) (fs.FileInfo, error) // follows links
	readDir func(name string) ([]fs.DirEntry, error)
}

// Walk calls f for what is in a folder of this machine, each folder before what is
// in it, by name; paths are relative to dir, which is not among them. Links are
// followed; one that leads to a folder in which it is itself, or nowhere, has a
// Problem.
func Walk(dir string, f func(Entry) error) error {
	t := walker{
		stat: func(name string) (fs.FileInfo, error) { return os.Stat(filepath.Join(dir, filepath.FromSlash(name))) },
		readDir: func(name string) ([]fs.DirEntry, error) {
			return os.ReadDir(filepath.Join(dir, filepath.FromSlash(name)))
		},
	}
	return t.walk(".", true, f)
}

// rootWalker walks a served folder.
func rootWalker(root *os.Root) walker {
	return walker{
		stat: root.Stat,
		readDir: func(name string) ([]fs.DirEntry, error) {
			d, err := root.Open(name)
			if err != nil {
				return nil, err
			}
			defer d.Close()
			entries, err := d.ReadDir(-1)
			slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
			return entries, err
		},
	}
}

// walk calls f for what is in dir.
func (t walker) walk(dir string, recursive bool, f func(Entry) error) error {
	info, err := t.stat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return &fs.PathError{Op: "read folder", Path: dir, Err: errors.New("not a folder")}
	}
	return t.walkIn(dir, recursive, []fs.FileInfo{info}, f)
}

// walkIn is walk; above are the folders in which it is, the last one itself.
func (t walker) walkIn(dir string, recursive bool, above []fs.FileInfo, f func(Entry) error) error {
	entries, err := t.readDir(dir)
	if err != nil {
		return err
	}
	for _, d := range entries {
		name := path.Join(dir, d.Name())
		if hasSuffixFold(name, PartSuffix) {
			continue
		}
		e, info := t.entry(name, d, above)
		if err := f(e); err != nil {
			return err
		}
		if !recursive || !e.IsDir() || e.Problem != "" {
			continue
		}
		if err := t.walkIn(name, true, append(above[:len(above):len(above)], info), f); err != nil {
			if errors.Is(err, errEnough) {
				return err
			}
			e.Problem = plainReason(err)
			if err := f(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// errEnough ends a walk.
var errEnough = errors.New("enough")

// entry describes what is called name.
func (t walker) entry(name string, d fs.DirEntry, above []fs.FileInfo) (Entry, fs.FileInfo) {
	e := Entry{Path: name, Mode: d.Type()}
	info, err := t.stat(name)
	if err == nil && d.Type()&fs.ModeSymlink == 0 || err == nil && info.Mode().IsRegular() {
		e.Mode, e.ModTime = info.Mode(), info.ModTime()
	}
	switch {
	case err != nil && d.Type()&fs.ModeSymlink != 0:
		e.Problem = "a link that leads nowhere"
		if !errors.Is(err, fs.ErrNotExist) {
			e.Problem = "a link that can't be followed: " + plainReason(err)
		}
	case err != nil:
		e.Problem = plainReason(err)
	case info.Mode().IsRegular():
		e.Size = info.Size()
	case !info.IsDir():
		e.Problem = "neither a file nor a folder"
	case slices.ContainsFunc(above, func(a fs.FileInfo) bool { return os.SameFile(a, info) }):
		e.Mode, e.Problem = info.Mode(), "a link to a folder in which it is itself"
	case len(above) >= maxDepth:
		e.Mode, e.Problem = info.Mode(), fmt.Sprintf("more than %d folders deep", maxDepth)
	default:
		e.Mode, e.ModTime = info.Mode(), info.ModTime()
	}
	return e, info
}

// plainReason is an error without the path, which its reader knows.
func plainReason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}
