module github.com/parley-net/parley/bus

go 1.26.0
