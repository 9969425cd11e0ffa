package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/output"
	"github.com/parley-net/parley/cmd/parley/internal/render"
)

// picturing makes pictures of frames.
type picturing struct {
	a             *app.App
	count         int         // 0: no end
	width, height int         // 0: guess
	typ           render.Type // "": guess
	cmap          *render.Map
	scale         func(render.Frame, render.Stats) render.Range
	format        format
	depth         int  // of a PNG, in bits
	ranged        bool // scale is that of --clip or --range
	force         bool
	live          *live // or nil
	out           string
	overwrite     bool // all frames have the same name
	shape         *output.Printer
	proto         string

	n       int    // frames written
	guessed string // the guess that was last told
}

// takeAll writes one frame after the other.
func (p *picturing) takeAll(ctx context.Context, cam *camera) error {
	for p.count == 0 || p.n < p.count {
		m, err := cam.frame(ctx)
		if err != nil {
			return p.ended(err)
		}
		if err := p.write(ctx, m, 0); err != nil {
			return err
		}
	}
	return nil
}

// ended says what the end of the frames means.
func (p *picturing) ended(err error) error {
	switch {
	case !errors.Is(err, parley.ErrPeerClosed):
		return err
	case p.count > 0:
		return fmt.Errorf("the peer closed the connection after %d of %d frames", p.n, p.count)
	case p.n == 0:
		return errors.New("the peer closed the connection before the first frame")
	}
	return nil
}

// watch writes the newest frame whenever the one before is written.
func (p *picturing) watch(ctx context.Context, cam *camera) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	newest := make(chan arrived, 1)
	var dropped atomic.Int64
	ended := make(chan error, 1)
	go func() {
		defer close(newest)
		for {
			m, err := cam.frame(ctx)
			if err != nil {
				ended <- err
				return
			}
			select { // one writer, so that there is room afterwards
			case <-newest:
				dropped.Add(1)
			default:
			}
			newest <- m
		}
	}()
	defer func() { fmt.Fprintf(p.a.Stderr, "%d written, %d dropped\n", p.n, dropped.Load()) }()
	for m := range newest {
		if err := p.write(ctx, m, dropped.Load()); err != nil {
			return err
		}
		if p.n == p.count {
			return nil
		}
	}
	return p.ended(<-ended)
}

// write writes a frame and prints its figures.
func (p *picturing) write(ctx context.Context, a arrived, dropped int64) error {
	m, err := p.shape.Shaped(ctx, a.Message)
	if err != nil {
		return err
	}
	if err := p.refusePicture(m.Bytes()); err != nil {
		return err
	}
	w, h, typ, err := p.shapeOf(m.Len())
	if err != nil {
		return err
	}
	f, err := render.Decode(m, typ, w, h)
	if err != nil {
		return err
	}
	stats := f.Stats()
	p.n++
	name := p.name()
	if err := p.save(name, f, stats, m.Bytes(), typ); err != nil {
		return err
	}
	if p.shape.Flags.Hex {
		if _, err := fmt.Fprintf(p.a.Stdout, "%x\n", m.Bytes()); err != nil {
			return err
		}
	}
	if p.live != nil {
		return p.live.show(f, p.rangeOf(f, stats), p.cmap, fmt.Sprintf("%dx%d %s", w, h, typ), dropped)
	}
	return p.tell(a, figures{File: name, Width: w, Height: h, Type: typ, Stats: stats, Dropped: dropped})
}

// save writes the file of a frame.
func (p *picturing) save(name string, f render.Frame, stats render.Stats, pixels []byte, typ render.Type) error {
	if p.format == noFile {
		return nil
	}
	file, err := p.encode(f, stats, pixels, typ)
	if err != nil {
		return err
	}
	if name == "-" {
		_, err = p.a.Stdout.Write(file)
		return err
	}
	if !p.force && !p.overwrite {
		if err := notThere(name); err != nil {
			return err
		}
	}
	return replaceFile(name, file)
}

// shapeOf returns shape and type of a frame of n bytes. It tells what it has
// guessed.
func (p *picturing) shapeOf(n int) (w, h int, typ render.Type, err error) {
	types := render.Guessed()
	if p.typ != "" {
		types = []render.Type{p.typ}
	}
	for _, typ := range types {
		w, h, ok := p.width, p.height, p.width > 0 && n%typ.Size() == 0 && p.width <= n && n/typ.Size()%p.width == 0 && n/typ.Size()/p.width == p.height
		if p.width == 0 {
			w, ok = render.Square(n, typ)
			h = w
		}
		if ok {
			p.tellGuess(w, h, typ)
			return w, h, typ, nil
		}
	}
	want := "make no square of float32, uint16 or uint8"
	switch {
	case p.width > 0 && p.typ != "":
		want = fmt.Sprintf("are no %dx%d of %s", p.width, p.height, p.typ)
	case p.width > 0:
		want = fmt.Sprintf("are no %dx%d of float32, uint16 or uint8", p.width, p.height)
	case p.typ != "":
		want = fmt.Sprintf("make no square of %s", p.typ)
	}
	return 0, 0, "", &fault.Error{Code: fault.Fail, Err: fmt.Errorf("the frame's %d bytes %s", n, want), Hint: "say what they are: --shape WIDTHxHEIGHT --type TYPE"}
}

// tellGuess notes a guess on standard error, once.
func (p *picturing) tellGuess(w, h int, typ render.Type) {
	missing := "shape and type"
	switch {
	case p.width > 0 && p.typ != "":
		return
	case p.width > 0:
		missing = "type"
	case p.typ != "":
		missing = "shape"
	}
	if p.live != nil { // it would be in the picture
		return
	}
	if guess := fmt.Sprintf("%s not given: taking it for %dx%d %s", missing, w, h, typ); guess != p.guessed {
		p.guessed = guess
		fmt.Fprintln(p.a.Stderr, guess)
	}
}

// name is where the current frame goes.
func (p *picturing) name() string {
	if p.out == "-" || p.overwrite || p.count == 1 {
		return p.out
	}
	digits := 6
	if p.count > 0 {
		digits = len(fmt.Sprint(p.count))
	}
	ext := filepath.Ext(p.out)
	return fmt.Sprintf("%s-%0*d%s", strings.TrimSuffix(p.out, ext), digits, p.n, ext)
}

// replaceFile writes a file so that a reader finds the old content or the new
// one. What is no regular file (a device, a pipe) is just written to.
func replaceFile(name string, content []byte) error {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return os.WriteFile(name, content, 0o666)
	}
	part := name + ".part"
	if err := os.WriteFile(part, content, 0o666); err != nil {
		return err
	}
	if err := os.Rename(part, name); err != nil {
		os.Remove(part)
		return err
	}
	return nil
}
