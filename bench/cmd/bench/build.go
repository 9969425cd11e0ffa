package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// natsVersion is the server that is built when none is on the PATH.
const natsVersion = "v2.15.2"

// built is what there is to run.
type built struct {
	dir     string
	source  string // this module's folder
	temp    bool
	missing map[string]string // by what needs it: why it can't be run
}

func (b *built) path(name string) string { return filepath.Join(b.dir, name) }

func (b *built) remove() {
	if b.temp {
		os.RemoveAll(b.dir)
	}
}

// newBuilt prepares to build into dir, or a temporary folder.
func newBuilt(ctx context.Context, dir string) (*built, error) {
	source, err := moduleFolder(ctx)
	if err != nil {
		return nil, err
	}
	b := &built{dir: dir, source: source, missing: map[string]string{}}
	if dir == "" {
		if b.dir, err = os.MkdirTemp("", "parley-bench-"); err != nil {
			return nil, err
		}
		b.temp = true
	} else if b.dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return nil, err
	}
	return b, nil
}

// build builds what is needed. Only what cannot be done without is an error;
// the rest is noted as missing.
func (b *built) build(ctx context.Context, needed map[string]bool) error {
	fmt.Fprintln(os.Stderr, "building into", b.dir)
	if err := b.programs(ctx); err != nil {
		return err
	}
	if err := b.run(ctx, b.source, "gcc", "-O2", "-Wall", "-o", b.path("echo_epoll"), "peers/c/echo_epoll.c"); err != nil {
		return fmt.Errorf("the floor needs a C compiler: %w", err)
	}
	steps := map[string]func(context.Context) error{
		"tokio": b.tokio, "netty": b.netty, "nats": b.nats,
		"loop": func(ctx context.Context) error {
			return b.run(ctx, b.source, b.path("parleypeer"), "serve", "-driver", "loop", "-check")
		},
	}
	for _, p := range []string{"redis-server", "node", "python3"} {
		steps[p] = func(context.Context) error { _, err := exec.LookPath(p); return err }
	}
	for _, o := range pythonPeers {
		steps[o.name] = o.find
	}
	for _, what := range slices.Sorted(maps.Keys(needed)) {
		began := time.Now()
		if err := steps[what](ctx); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			b.missing[what] = err.Error()
			fmt.Fprintf(os.Stderr, "not here: %s: %v\n", what, err)
		}
		if took := time.Since(began); took > 5*time.Second {
			fmt.Fprintf(os.Stderr, "%s: %.0f s\n", what, took.Seconds())
		}
	}
	return nil
}

// programs builds what is written in Go.
func (b *built) programs(ctx context.Context) error {
	return b.run(ctx, b.source, "go", "build", "-o", b.dir+"/", "./cmd/...")
}

func moduleFolder(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/parley-net/parley/bench").Output()
	if err != nil {
		return "", fmt.Errorf("run bench inside its module's folder: %w", err)
	}
	dir := strings.TrimSpace(string(out))
	if filepath.Base(dir) != "bench" {
		return "", fmt.Errorf("run bench inside its module's folder, not in %s", dir)
	}
	return dir, nil
}

// run runs a program to its end; its last line of output explains a failure.
func (b *built) run(ctx context.Context, dir, name string, args ...string) error {
	if _, err := exec.LookPath(name); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return fmt.Errorf("%s: %w: %s", filepath.Base(name), err, lines[len(lines)-1])
}

func (b *built) tokio(ctx context.Context) error {
	if err := b.run(ctx, filepath.Join(b.source, "peers/tokio"), "cargo", "build", "--release", "--quiet", "--locked",
		"--target-dir", b.path("tokio")); err != nil {
		return err
	}
	return b.link(b.path("tokio/release/tokio_echo"), b.path("tokio_echo"))
}

func (b *built) link(from, to string) error {
	if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Symlink(from, to)
}

func (b *built) netty(ctx context.Context) error {
	for _, p := range []string{"mvn", "java", "javac"} {
		if _, err := exec.LookPath(p); err != nil {
			return err
		}
	}
	dir := filepath.Join(b.source, "peers/netty")
	jars := b.path("netty/jars")
	if _, err := os.Stat(jars); err != nil {
		if err := b.run(ctx, dir, "mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory="+jars); err != nil {
			os.RemoveAll(jars) // there may be some
			return err
		}
	}
	return b.run(ctx, dir, "javac", "-cp", jars+"/*", "-d", b.path("netty/classes"), "src/main/java/NettyEcho.java")
}

func (b *built) nats(ctx context.Context) error {
	if found, err := exec.LookPath("nats-server"); err == nil {
		return b.link(found, b.path("nats-server"))
	}
	if _, err := os.Stat(b.path("nats-server")); err == nil {
		return nil
	}
	return b.run(ctx, b.source, "env", "GOBIN="+b.dir, "go", "install", "github.com/nats-io/nats-server/v2@"+natsVersion)
}
