package poller

import (
	"time"

	"golang.org/x/sys/unix"
)

// vitals asks the kernel: TCP_INFO counts what was sent again, or probed a closed
// window, since the peer's last acknowledgement.
func vitals(fd uintptr) (Vitals, bool) {
	info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return Vitals{}, false
	}
	return Vitals{
		Asked: info.Retransmits > 0 || info.Probes > 0,
		Heard: time.Duration(info.Last_ack_recv) * time.Millisecond,
		Taken: info.Bytes_acked,
	}, true
}
