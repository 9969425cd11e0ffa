module github.com/parley-net/parley/web

go 1.26.0

require (
	github.com/coder/websocket v1.8.15
	github.com/parley-net/parley v0.1.0
	github.com/parley-net/parley/bus v0.1.0
	github.com/parley-net/parley/cluster v0.1.0
)

require golang.org/x/sys v0.49.0 // indirect
