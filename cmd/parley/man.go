//go:build man

// With the build tag man this program writes parley's manual pages instead:
//
//	go run -tags man ./cmd/parley DIR
package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/manpage"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: man DIR")
		os.Exit(fault.Usage)
	}
	date := time.Now()
	if s, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
		date = time.Unix(s, 0)
	}
	if err := manpage.Write(rootCmd(newApp(nil, io.Discard, io.Discard)), os.Args[1], date); err != nil {
		fmt.Fprintln(os.Stderr, "man:", err)
		os.Exit(fault.Fail)
	}
}
