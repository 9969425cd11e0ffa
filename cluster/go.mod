module github.com/parley-net/parley/cluster

go 1.26.0

require (
	github.com/parley-net/parley v0.1.0
	github.com/parley-net/parley/bus v0.1.0
)

require golang.org/x/sys v0.49.0 // indirect
