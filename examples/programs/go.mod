module github.com/parley-net/parley/examples/programs

go 1.26.0

require github.com/parley-net/parley v0.1.0

require golang.org/x/sys v0.50.0 // indirect
