package reliability

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func needsProc(*testing.T) {}

// limitDescriptors bounds this process's descriptors.
func limitDescriptors(n uint64) error {
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n, Max: n})
}

// descriptorsAllowed returns how many descriptors this process may have.
func descriptorsAllowed() int {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 1024
	}
	return int(min(l.Cur, 1<<30))
}

// setWriteBuffer sets how much a socket takes before its peer has read it. An
// event loop's is no *net.TCPConn.
func setWriteBuffer(nc net.Conn, bytes int) error {
	raw, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	ended := raw.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, bytes)
	})
	return errors.Join(ended, err)
}

// rss returns how much memory the process holds, in bytes.
func (c *child) rss() int64 {
	c.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.pid))
	if err != nil {
		c.t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10
		}
	}
	c.t.Fatal("the process has no VmRSS")
	return 0
}

// cpu returns how much processor time the process has used.
func (c *child) cpu() time.Duration {
	c.t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.pid))
	if err != nil {
		c.t.Fatal(err)
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	var ticks int64
	for _, f := range fields[11:13] {
		n, _ := strconv.ParseInt(string(f), 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond // the kernel's USER_HZ is 100
}

// descriptors returns how many the process has open.
func (c *child) descriptors() int { return countDescriptors(c.t, c.pid) }

func countDescriptors(t *testing.T, pid int) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// ownDescriptors returns how many descriptors this process has open.
func ownDescriptors(t *testing.T) int { return countDescriptors(t, os.Getpid()) }

// needsNoAlias: all of 127.0.0.0/8 is this machine.
const needsNoAlias = true
