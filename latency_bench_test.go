package parley_test

import (
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy2"
)

// BenchmarkOthers measures how late the program's other goroutines come to run
// while a server in the same process is kept busy by 64 connections with 32
// messages each: one goroutine sleeps for 200 µs at a time. Plain is a server of
// package net that does the same echo, idle no server at all. The loads come
// from the same process too, so compare the rows with each other.
//
//	go test -run '^$' -bench Others -benchtime 5000x .
func BenchmarkOthers(b *testing.B) {
	message := strings.Repeat(serpy2Text("sixteen letters."), 32)
	busy := func(b *testing.B, addr string) {
		for range 64 {
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { nc.Close() })
			go func() {
				answer := make([]byte, len(message))
				for {
					if _, err := io.WriteString(nc, message); err != nil {
						return
					}
					if _, err := io.ReadFull(nc, answer); err != nil {
						return
					}
				}
			}()
		}
	}
	serve := func(loops int) func(b *testing.B) {
		return func(b *testing.B) {
			srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(echo), EventLoops: loops}
			if err := srv.Listen("127.0.0.1:0"); err != nil {
				b.Fatal(err)
			}
			served := make(chan error, 1)
			go func() { served <- srv.Serve() }()
			b.Cleanup(func() {
				srv.Close()
				<-served
			})
			busy(b, srv.Addrs()[0].String())
		}
	}
	plain := func(b *testing.B) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { l.Close() })
		go func() {
			for {
				nc, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer nc.Close()
					io.Copy(nc, onlyReader{nc})
				}()
			}
		}()
		busy(b, l.Addr().String())
	}
	rows := []struct {
		name  string
		start func(b *testing.B)
	}{{"idle", func(*testing.B) {}}, {"plain", plain}, {"goroutines", serve(0)}}
	if runtime.GOOS == "linux" {
		rows = append(rows, struct {
			name  string
			start func(b *testing.B)
		}{"loops", serve(2)})
	}
	for _, row := range rows {
		b.Run(row.name, func(b *testing.B) {
			row.start(b)
			const nap = 200 * time.Microsecond
			late := make([]time.Duration, 0, b.N)
			b.ResetTimer()
			for range b.N {
				start := time.Now()
				time.Sleep(nap)
				late = append(late, time.Since(start)-nap)
			}
			b.StopTimer()
			slices.Sort(late)
			for _, q := range []struct {
				unit string
				at   float64
			}{{"p50-µs", 0.5}, {"p99-µs", 0.99}, {"p99.9-µs", 0.999}} {
				b.ReportMetric(float64(late[int(q.at*float64(len(late)-1))].Microseconds()), q.unit)
			}
		})
	}
}

// onlyReader hides every other method, so that io.Copy does not splice.
type onlyReader struct{ io.Reader }
