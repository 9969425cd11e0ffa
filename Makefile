# Each line is one that a person could type.
.PHONY: run test lint doc verify interop fuzz bench benchmarks ci cross release

run:
	go run ./cmd/parley demo
test:
	go test work
lint:
	test -z "$$(gofmt -l .)" && go vet work && go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 work
doc:
	go doc -all . | less
verify:
	go run ./internal/trace
interop:
	go test -count=1 -timeout 30m -v ./interop
fuzz:
	.ci/fuzz 60s
bench:
	cd bench && go run ./cmd/bench
benchmarks:
	go test -run '^$$' -bench . -benchmem work
ci:
	.ci/run
cross:
	.ci/run cross
release:
	.ci/package make
	.ci/package check
