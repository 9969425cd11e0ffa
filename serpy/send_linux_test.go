//go:build amd64 || arm64

package serpy

import (
	"errors"
	"syscall"
	"testing"

	"github.com/parley-net/parley/wire"
)

// A payload beyond 4 GiB that must not be looked at: its pages can't be read.
func TestSendTooLarge(t *testing.T) {
	payload, err := syscall.Mmap(-1, 0, maxMessage+1, syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE|syscall.MAP_NORESERVE)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(payload)
	m := opened(t, Protocol{})
	for _, msg := range []wire.Message{wire.Bytes(payload), wire.TextBytes(payload)} {
		if out, _, err := m.Send([]byte("x"), msg); string(out) != "x" || !errors.Is(err, wire.ErrTooLarge) {
			t.Errorf("Send of more than 4 GiB of %v = %q, %v, want ErrTooLarge", msg.Type(), out, err)
		}
	}
}
