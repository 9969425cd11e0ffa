//go:build amd64 || arm64

package serpy2

import (
	"errors"
	"math"
	"syscall"
	"testing"

	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// A payload of 4 GiB that must not be looked at: its pages can't be read.
func TestSendTooLarge(t *testing.T) {
	payload, err := syscall.Mmap(-1, 0, 1<<32, syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE|syscall.MAP_NORESERVE)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(payload)
	m := Protocol{}.New(wire.Dialing, wire.Limits{})
	for _, msg := range []wire.Message{wire.Bytes(payload), wire.TextBytes(payload)} {
		if out, _, err := m.Send([]byte("x"), msg); string(out) != "x" || !errors.Is(err, wire.ErrTooLarge) {
			t.Errorf("Send of 4 GiB of %v = %q, %v, want ErrTooLarge", msg.Type(), out, err)
		}
	}
}

// The largest payload is 4 GiB less a byte. These zeros are one page of memory.
func TestSendLargest(t *testing.T) {
	if testing.Short() {
		t.Skip("4 GiB are read for their checksum")
	}
	payload, err := syscall.Mmap(-1, 0, math.MaxUint32, syscall.PROT_READ, syscall.MAP_ANON|syscall.MAP_PRIVATE|syscall.MAP_NORESERVE)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(payload)
	syscall.Madvise(payload, syscall.MADV_HUGEPAGE) // sooner, where there are such
	m := Protocol{}.New(wire.Dialing, wire.Limits{})
	wiretest.Receive(m, nil)
	out, sent, err := m.Send(nil, wire.Bytes(payload))
	if want := (header{kindBytes, 0, math.MaxUint32}).append(nil); string(out) != string(want) || sent.Body != wire.BodyFollows || err != nil {
		t.Errorf("Send of 4 GiB less a byte = % x, %v, %v, want % x", out, sent, err, want)
	}
}
