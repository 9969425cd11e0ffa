module github.com/parley-net/parley/store

go 1.26.0
