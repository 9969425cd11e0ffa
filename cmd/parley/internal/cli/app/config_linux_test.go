package app

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
)

// A home that is none, or another user's, has no configuration; a configuration that is there
// and can't be read is an error with what to do.
func TestHomeOfNobody(t *testing.T) {
	dir, err := os.MkdirTemp("", "home")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	asNobody(t)
	file := filepath.Join(dir, "file")
	closed := filepath.Join(dir, "closed")
	open := filepath.Join(dir, "open", "parley")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(open, "config.toml"), nil, 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(closed, 0); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PARLEY_CONFIG", "")
	for _, home := range []string{"", file, closed, filepath.Join(dir, "missing")} {
		t.Setenv("HOME", home)
		t.Setenv("XDG_CONFIG_HOME", "")
		if _, err := new(App).ReadConfig(); err != nil {
			t.Errorf("HOME=%s: %v", home, err)
		}
		t.Setenv("XDG_CONFIG_HOME", home)
		if _, err := new(App).ReadConfig(); err != nil {
			t.Errorf("XDG_CONFIG_HOME=%s: %v", home, err)
		}
	}
	t.Setenv("XDG_CONFIG_HOME", filepath.Dir(open))
	_, err = new(App).ReadConfig()
	if err == nil || !strings.Contains(err.Error(), "PARLEY_CONFIG") || fault.Code(err) != fault.Usage {
		t.Errorf("a configuration that can't be read: %v", err)
	}
	t.Setenv("PARLEY_CONFIG", filepath.Join(closed, "config.toml")) // asked for, so it counts
	if _, err := new(App).ReadConfig(); err == nil {
		t.Error("PARLEY_CONFIG in a folder that can't be entered is no error")
	}
}

// asNobody has files refused to the test's goroutine as they are to other users, when root runs it.
func asNobody(t *testing.T) {
	if os.Getuid() != 0 {
		return
	}
	runtime.LockOSThread() // of this thread alone
	const nobody = 65534
	syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0)
	t.Cleanup(func() {
		syscall.RawSyscall(syscall.SYS_SETFSUID, 0, 0, 0)
		runtime.UnlockOSThread()
	})
}
