//go:build !linux

package reliability

import (
	"errors"
	"net"
	"testing"
	"time"
)

func needsProc(t *testing.T) { t.Skip("it looks at /proc, which only Linux has") }

func limitDescriptors(uint64) error { return errors.New("not on this system") }

func descriptorsAllowed() int { return 1024 }

func setWriteBuffer(nc net.Conn, bytes int) error { return nc.(*net.TCPConn).SetWriteBuffer(bytes) }

func (*child) rss() int64 { return 0 }

func (*child) cpu() time.Duration { return 0 }

func (*child) descriptors() int { return 0 }

func ownDescriptors(*testing.T) int { return 0 }

const needsNoAlias = false
