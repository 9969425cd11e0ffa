//go:build unix

package main

import (
	"encoding/hex"
	"io"
	"net"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// peer NAME STEP… is a raw TCP server for one client, for what no parley
// server would do. It sets the variable NAME to its host and port. Steps are
//
//	send:HEX    sends bytes
//	recv:TEXT   waits for as many bytes as TEXT has
//	close       closes its direction, then reads until the client closes
//	reset       closes with a reset
//	hold        goes on until the client closes
//
// It waits for the client first, and closes after the last step.
func scriptPeer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: peer name step…")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], l.Addr().String())
	ts.Defer(func() { l.Close() })
	go func() {
		defer l.Close()
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		for _, step := range args[1:] {
			verb, arg, _ := strings.Cut(step, ":")
			switch verb {
			case "send":
				b, err := hex.DecodeString(arg)
				if err != nil {
					panic(err)
				}
				c.Write(b)
			case "recv":
				if _, err := io.CopyN(io.Discard, c, int64(len(arg))); err != nil {
					return
				}
			case "reset":
				c.(*net.TCPConn).SetLinger(0)
				return
			case "close":
				c.(*net.TCPConn).CloseWrite()
				io.Copy(io.Discard, c) // or it would be a reset
			case "hold":
				io.Copy(io.Discard, c)
			}
		}
	}()
}
