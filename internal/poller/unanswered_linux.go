package poller

import (
	"time"

	"golang.org/x/sys/unix"
)

// unanswered asks the kernel: TCP_INFO counts what it has sent again, or probed a
// closed window with, since the peer's last acknowledgement.
func unanswered(fd uintptr) (asked bool, last time.Duration) {
	info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return false, 0 // no TCP
	}
	return info.Retransmits > 0 || info.Probes > 0, time.Duration(info.Last_ack_recv) * time.Millisecond
}
