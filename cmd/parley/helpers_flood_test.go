//go:build unix

package main

import (
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
)

// flood is the command "flood [-conns N] ADDR TIMES HEX": it sends the same bytes
// many times, on one connection after the other, and waits until the server has
// read them.
func flood() {
	conns := flag.Int("conns", 1, "")
	flag.Parse()
	times, err := strconv.Atoi(flag.Arg(1))
	if err != nil {
		panic(err)
	}
	b, err := hex.DecodeString(flag.Arg(2))
	if err != nil {
		panic(err)
	}
	for range *conns {
		c, err := net.Dial("tcp", flag.Arg(0))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		go io.Copy(io.Discard, c)
		io.WriteString(c, strings.Repeat(string(b), times))
		c.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, c)
		c.Close()
	}
}
