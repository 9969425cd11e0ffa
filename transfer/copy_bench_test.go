//go:build unix

package transfer

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/parley-net/parley"
)

var copySize = flag.Int64("copy", 1<<30, "size of BenchmarkCopy's file in bytes, a multiple of 16 MiB")

// A file of 1 GiB from one file to another over the loopback, against a bare
// io.Copy at both ends of a TCP connection, in turns. TMPDIR says where the
// files are; on a tmpfs the disk is left out.
//
//	TMPDIR=/dev/shm go test ./transfer -run '^$' -bench Copy -benchtime 5x
//
// x-cpu and x-time are the transfer's processor time and time relative to the
// copy's. Plain is what the originals speak; without it both sides hash the
// file.
func BenchmarkCopy(b *testing.B) {
	size := *copySize
	source := filepath.Join(b.TempDir(), "source")
	f, err := os.Create(source)
	if err != nil {
		b.Fatal(err)
	}
	for piece := mix(1 << 24); ; {
		if _, err := f.Write(piece); err != nil {
			b.Fatal(err)
		}
		if at, _ := f.Seek(0, io.SeekCurrent); at >= size {
			break
		}
	}
	f.Close()
	ts := serve(b, parley.Limits{MaxMessage: MaxLetter}, func(s *Server) { s.OnEnd, s.Logger = nil, nil })
	if err := os.Link(source, ts.path("source")); err != nil {
		b.Fatal(err)
	}
	target := filepath.Join(b.TempDir(), "target")
	for _, upload := range []bool{true, false} {
		for _, plain := range []bool{true, false} {
			direction := map[bool]string{true: "upload", false: "download"}[upload]
			b.Run(fmt.Sprintf("%s/plain=%v", direction, plain), func(b *testing.B) {
				cl := ts.dial(b)
				cl.Plain, cl.Overwrite = plain, true
				defer cl.Close()
				transfer := func() error {
					if upload {
						return cl.Upload(b.Context(), source, "target")
					}
					return cl.Download(b.Context(), "source", target)
				}
				b.SetBytes(size)
				var bare, ours usage
				for b.Loop() {
					if err := bare.of(func() error { return bareCopy(source, target) }); err != nil {
						b.Fatal(err)
					}
					os.Remove(target)
					if err := ours.of(transfer); err != nil {
						b.Fatal(err)
					}
					os.Remove(target)
					os.Remove(ts.path("target"))
				}
				total := float64(b.N) * float64(size)
				b.ReportMetric(total/1e6/bare.time.Seconds(), "copy-MB/s")
				b.ReportMetric(bare.cpu.Seconds()/total*1e9, "copy-cpu-s/GB")
				b.ReportMetric(total/1e6/ours.time.Seconds(), "MB/s")
				b.ReportMetric(ours.cpu.Seconds()/total*1e9, "cpu-s/GB")
				b.ReportMetric(ours.cpu.Seconds()/bare.cpu.Seconds(), "x-cpu")
				b.ReportMetric(ours.time.Seconds()/bare.time.Seconds(), "x-time")
			})
		}
	}
}

// usage is what something has cost.
type usage struct{ time, cpu time.Duration }

// of adds the cost of f.
func (u *usage) of(f func() error) error {
	began, cpu := time.Now(), processorTime()
	err := f()
	u.time += time.Since(began)
	u.cpu += processorTime() - cpu
	return err
}

// processorTime returns what the process has used.
func processorTime() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// bareCopy copies a file over a TCP connection of the loopback, to the disk.
func bareCopy(source, target string) error {
	return overLoopback(func(c net.Conn) error {
		f, err := os.Open(source)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(c, f)
		return err
	}, func(c net.Conn) error {
		f, err := os.Create(target)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(f, c)
		return errors.Join(err, f.Sync())
	})
}

// overLoopback has the two ends of a TCP connection of the loopback send and receive.
func overLoopback(send, receive func(net.Conn) error) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	sent := make(chan error, 1)
	go func() {
		c, err := net.Dial("tcp", l.Addr().String())
		if err == nil {
			err = send(c)
			c.Close()
		}
		sent <- err
	}()
	c, err := l.Accept()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := receive(c); err != nil {
		return err
	}
	return <-sent
}
