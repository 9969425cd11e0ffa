// Package private creates files that only their owner can read: they have what others
// have said.
package private

import (
	"errors"
	"io/fs"
	"os"
	"runtime"

	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
)

// Create creates a file that only its owner can read, also where force
// overwrites one that others can: it has what others have said.
func Create(flag, name string, force bool) (*os.File, error) {
	mode := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		mode = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(name, mode, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil, fault.Usagef("%s: %s is there already: use another name, or --force", flag, name)
	case err != nil:
		return nil, fault.Usagef("%s: %w", flag, err)
	}
	if st, err := f.Stat(); err == nil && force && st.Mode().IsRegular() && st.Mode().Perm()&0o077 != 0 {
		if err := f.Chmod(0o600); err != nil && runtime.GOOS != "windows" {
			f.Close()
			return nil, fault.Usagef("%s: others can read %s: %w", flag, name, err)
		}
	}
	return f, nil
}

// Write writes such a file.
func Write(flag, name string, content []byte) error {
	f, err := Create(flag, name, true)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}
