package poller

import "golang.org/x/sys/unix"

const leftEvents = unix.POLLRDHUP
