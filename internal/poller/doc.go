// Package poller is event loops on Linux's epoll, with the sockets and listeners
// that belong to them, and the system calls that can't block. It moves bytes and
// tells who may have some; what they mean, and who waits for them, it does not know.
//
// A [Loop] has one goroutine at a time, its [Runner], which serves the owners of
// the sockets that epoll reports, one after the other. Sockets are watched
// edge-triggered: whoever is served reads until nothing is left, or says that there
// may be more. What has to wait gives the loop to another runner first
// ([Runner.Leave]); what blocks without a word is found by the loop's guard, which
// looks while the loop is busy: when nobody has been served for 0.1 s another runner
// takes over.
//
// A [Conn] counts who uses its descriptor, and the last one closes it, so a number is
// never reused under a caller. An event that was under way for a closed socket may
// reach the next one with its number, which costs that one a look.
//
// A read or write of 256 KiB or less that can't block is a raw call, of which Go's
// scheduler is not told: that would cost as much as a small message. The race
// detector sees what a call does to its buffer only through package syscall, so
// under -race they are ordinary calls.
//
// On other systems New returns errors.ErrUnsupported.
package poller
