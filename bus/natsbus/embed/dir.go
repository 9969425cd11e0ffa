package embed

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ErrInUse is the error of a folder in which another process keeps its bus.
var ErrInUse = errors.New("embed: the bus directory is in use")

// dir is a folder that is ours.
type dir struct {
	path string
	lock *os.File
	temp bool // it goes with us
}

// openDir makes the folder if there is none, and takes it.
func openDir(path string) (*dir, error) {
	if path == "" {
		path, err := os.MkdirTemp("", "parley-bus-")
		return &dir{path: path, temp: true}, err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("the bus directory: %w", err)
	}
	name := filepath.Join(path, "lock")
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the bus directory: %w", err)
	}
	if err := lockFile(f); err != nil {
		f.Close()
		by := ""
		if b, err := os.ReadFile(name); err == nil && len(b) > 0 {
			by = " by process " + strings.TrimSpace(string(b))
		}
		return nil, fmt.Errorf("%w: %s%s", ErrInUse, path, by)
	}
	f.Truncate(0)
	f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return &dir{path: path, lock: f}, nil
}

// close gives the folder back.
func (d *dir) close() error {
	if d.temp {
		return os.RemoveAll(d.path)
	}
	os.Remove(filepath.Join(d.path, urlFile))
	return d.lock.Close()
}

const (
	secretFile = "secret"
	urlFile    = "url"
	idFile     = "id"
)

// secret returns the folder's secret, which it makes if there is none.
func (d *dir) secret() (Secret, error) {
	name := filepath.Join(d.path, secretFile)
	s, err := ReadSecret(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	s = NewSecret()
	return s, writeWhole(name, s.Text()+"\n")
}

// id is what tells this folder from others for ever.
func (d *dir) id() (string, error) {
	name := filepath.Join(d.path, idFile)
	b, err := os.ReadFile(name)
	if err == nil && len(b) >= 16 {
		return strings.TrimSpace(string(b)), nil
	}
	s := NewSecret()
	id := s.Text()[:16]
	return id, writeWhole(name, id+"\n")
}

// writeWhole writes a small file that is there whole or not at all.
func writeWhole(name, text string) error {
	if err := os.WriteFile(name+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// Place reads where the server is that keeps its bus in the folder path, and its secret:
// for another process on its machine.
func Place(path string) (url string, s Secret, err error) {
	b, err := os.ReadFile(filepath.Join(path, urlFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", s, fmt.Errorf("no server keeps its bus in %s now", path)
	}
	if err != nil {
		return "", s, err
	}
	s, err = ReadSecret(filepath.Join(path, secretFile))
	return strings.TrimSpace(string(b)), s, err
}
