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
	for t in linux/amd64 linux/arm linux/arm64 darwin/arm64 windows/amd64; do CGO_ENABLED=0 GOOS=$${t%/*} GOARCH=$${t#*/} go build -trimpath -ldflags '-s -w' -o dist/$${t%/*}-$${t#*/}/ ./cmd/parley || exit 1; done
	go run -tags man ./cmd/parley dist/man
	mkdir -p dist/completion && for s in bash zsh fish powershell; do go run ./cmd/parley completion $$s >dist/completion/parley.$$s || exit 1; done
