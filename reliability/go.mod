module github.com/parley-net/parley/reliability

go 1.26.0

require (
	github.com/klauspost/compress v1.20.3
	github.com/parley-net/parley v0.1.0
	github.com/parley-net/parley/plugin/zstd v0.1.0
)

require (
	github.com/anishathalye/porcupine v1.3.1
	github.com/parley-net/parley/bus v0.1.0
	github.com/parley-net/parley/cluster v0.1.0
	golang.org/x/sys v0.49.0
)
