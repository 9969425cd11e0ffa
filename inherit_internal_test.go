//go:build linux

package parley

import (
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/parley-net/parley/internal/session"
	"github.com/parley-net/parley/serpy2"
)

// What has been inherited counts as opened by Listen: keep-alive applies to its
// connections, so that the kernel tells whether their peers live and the clocks are
// patient. Of what is given to Serve parley does not know that.
//
// Verifies: RUNTIME-13, RUNTIME-86
func TestInheritedListenerIsPatient(t *testing.T) {
	for _, k := range []struct {
		name  string
		given bool
		loops int
		want  session.Vital
	}{
		{"inherited", false, 0, session.VitalAlways},
		{"inherited, event loops", false, 1, session.VitalAlways},
		{"given to Serve", true, 0, session.VitalNothing},
		{"given to Serve, event loops", true, 1, session.VitalNothing},
	} {
		t.Run(k.name, func(t *testing.T) {
			first, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			f, err := first.(*net.TCPListener).File() // as a service manager hands it over
			if err != nil {
				t.Fatal(err)
			}
			first.Close()
			l, err := net.FileListener(f)
			if err != nil {
				t.Fatal(err)
			}
			f.Close()
			srv := &Server{Protocol: serpy2.Protocol{}, Pull: true, EventLoops: k.loops, Timeouts: Timeouts{KeepAlive: 7 * time.Second}}
			var given []net.Listener
			if k.given {
				given = append(given, l)
			} else if err := srv.Inherit(l); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- srv.Serve(given...) }()
			defer func() { srv.Close(); <-ended }()
			nc, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			c, err := srv.Accept(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if c.vital != k.want {
				t.Errorf("the kernel tells %d, want %d", c.vital, k.want)
			}
			raw, err := c.NetConn().(syscall.Conn).SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			raw.Control(func(fd uintptr) {
				idle, _ := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPIDLE)
				every, _ := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPINTVL)
				times, _ := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPCNT)
				if ours := idle == 7 && every == 7 && times == 4; ours == k.given {
					t.Errorf("keep-alive asks after %d s, %d times, %d s apart", idle, times, every)
				}
			})
		})
	}
}

// Only what is the kernel's can be inherited; the rest is closed with a clear error.
//
// Verifies: RUNTIME-13
func TestInheritWhatIsNot(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &Server{Protocol: serpy2.Protocol{}, Pull: true}
	err = srv.Inherit(struct{ net.Listener }{l})
	if err == nil || !strings.Contains(err.Error(), "want *net.TCPListener") {
		t.Errorf("Inherit: %v", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is not closed: %v", err)
	}
}
