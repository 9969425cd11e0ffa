module github.com/parley-net/parley/serial

go 1.26.0

require (
	github.com/creack/pty v1.1.24
	go.bug.st/serial v1.8.0
)

require (
	github.com/parley-net/parley v0.1.0
	golang.org/x/sys v0.49.0
)
