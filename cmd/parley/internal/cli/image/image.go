// Package image is the room of parley image: frames from a camera to files, to figures
// and to the screen; internal/render draws.
package image

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/diagnose"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/input"
	"github.com/parley-net/parley/cmd/parley/internal/cli/output"
	"github.com/parley-net/parley/cmd/parley/internal/cli/terminal"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/cmd/parley/internal/render"
	"github.com/parley-net/parley/line"
)

// imageOptions are the flags of image.
type imageOptions struct {
	ask   []string
	every time.Duration
	shape string
	typ   string
	file  string
	count int // -1: not given
	watch bool
	cmap  string
	clip  []float64
	rng   []float64
	npy   bool
	live  bool
	force bool
	depth int
	out   output.Flags
}

func Command(a *app.App) *cobra.Command {
	var o imageOptions
	cmd := &cobra.Command{
		Use:   "image URL",
		Short: "Make pictures of what an instrument sends",
		Long: `Takes frames from an instrument and writes each as a picture. A frame is one
bytes message, on line and scpi any message, or with --block the data of its first
IEEE 488.2 block (#…): the pixels row by row, little-endian, as numpy's tobytes
gives them. Shape, least and greatest value and mean are printed to standard error.

With --ask it asks for each frame; several questions are asked in turn. Without
it, it takes what comes.

The name says what is written: .png, in colours or with --depth 16 in 16 bits of
gray; .tiff in gray; .fits and .npy with the very values. Whole numbers keep them in
16 bits of gray and in TIFF too, unless --clip or --range spreads them; float and
int16 are spread. A picture that is there is not replaced without --force.

The shape does not travel with a frame. Without --shape a square is assumed,
without --type the first of float32, uint16 and uint8 that fits, and a note says
so. rgb is three bytes for each pixel.

The colours are spread from the least to the greatest finite value of each
frame, or between two percentiles of it with --clip, or over a fixed --range.
Pixels that are not a number are magenta, which is in no colour map.

--translate is for frames that are compressed or of another type: it stands
between the instrument and the picture. --dump keeps each frame as it came. With
--json the figures go to standard output, an object for each frame.

With several frames the names are numbered: frame-1.png, frame-2.png. --watch
writes the newest frame to the same file again and again, for a viewer that
reloads it; frames that come meanwhile are dropped and counted. --live shows it in
the terminal, with its range and how many come in a second, until Ctrl-C.`,
		Example: `  parley image serpy2://localhost:8000 --ask int:3
  parley image serpy2://localhost:8000 --ask int:3 -o - | display
  parley image serpy2://camera:8000 --shape 640x480 --type uint16 --clip 1,99 --watch
  parley image serpy2://camera:8000 --ask text:frame --count 10 -o frame.fits
  parley image serpy2://camera:8000 --shape 640x480 --type uint16 -o frame.tiff
  parley image serpy2://camera:8000 --ask int:3 --live
  parley image serpy2://camera:8000 --ask int:3 --translate zcat --json --rtt
  parley image scpi://scope --ask 'DISP:DATA?' --block --shape 800x480 --type uint8`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.CompleteURL,
		RunE: func(cmd *cobra.Command, args []string) error {
			e, _, err := a.Target(cmd, args)
			if err != nil {
				return err
			}
			return takeImages(cmd.Context(), a, e, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringArrayVar(&o.ask, "ask", nil, "ask with `MSG`: "+input.Forms)
	f.DurationVar(&o.every, "every", 0, "with --ask: least `TIME` between two questions")
	f.StringVar(&o.shape, "shape", "", "shape of a frame in pixels, `WIDTHxHEIGHT` (default: a square)")
	f.StringVar(&o.typ, "type", "", "`TYPE` of a pixel: float32, uint16, uint8, float64, int16 or rgb (default: the first of three that fits)")
	f.StringVarP(&o.file, "output", "o", "", "write to `FILE`, .png, .tiff, .fits or .npy; - is standard output (default frame.png)")
	f.BoolVarP(&o.force, "force", "f", false, "replace pictures that are there")
	f.IntVar(&o.depth, "depth", 8, "`BITS` of a PNG: 8, or 16 in gray")
	f.IntVarP(&o.count, "count", "n", -1, "`N` frames, 0: until the peer closes (default one for each --ask)")
	f.Lookup("count").DefValue = "0" // so that the help shows no default
	f.BoolVar(&o.watch, "watch", false, "keep the newest frame in the file")
	f.BoolVar(&o.live, "live", false, "show the newest frame in the terminal; a file too only with -o")
	f.StringVar(&o.cmap, "map", "viridis", "colour `MAP`: viridis or gray")
	f.Float64SliceVar(&o.clip, "clip", nil, "spread the colours between two percentiles, `LOW,HIGH`, as 1,99")
	f.Float64SliceVar(&o.rng, "range", nil, "spread the colours over fixed values, `LOW,HIGH`, as 0,4095")
	f.BoolVar(&o.npy, "npy", false, "write files for numpy.load, as -o frame.npy does")
	f.BoolVar(&o.out.JSON, "json", false, "print the figures to standard output as JSON, one object per frame")
	f.BoolVar(&o.out.Hex, "hex", false, "print the bytes of frames to standard output in hexadecimal, one per line")
	o.out.AddWanted(cmd)
	o.out.AddBlock(cmd)
	o.out.AddTimes(cmd)
	o.out.AddShape(cmd)
	for _, name := range []string{"clip", "range"} {
		f.Lookup(name).DefValue = ""
	}
	cmd.MarkFlagsMutuallyExclusive("clip", "range", "npy")
	cmd.MarkFlagsMutuallyExclusive("json", "hex", "live")
	cmd.MarkFlagsMutuallyExclusive("watch", "live")
	cmd.RegisterFlagCompletionFunc("type", cobra.FixedCompletions([]string{"float32", "uint16", "uint8", "float64", "int16", "rgb"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.RegisterFlagCompletionFunc("map", cobra.FixedCompletions(render.MapNames(), cobra.ShellCompDirectiveNoFileComp))
	a.DialFlags(cmd)
	return cmd
}

// takeImages does what the command promises.
func takeImages(ctx context.Context, a *app.App, e endpoint.Endpoint, o imageOptions) error {
	_, anyMessage := e.Protocol.(line.Protocol)
	if !e.Protocol.Traits().Types.Has(parley.TypeBytes) && !anyMessage && !o.out.Block {
		return fault.Usagef("%s carries text only, no frames; --block takes the data of a block in it", e.Protocol.Name())
	}
	if o.file == "-" && o.out.JSON {
		return fault.Usagef("-o - and --json both want standard output: give a FILE")
	}
	if o.file == "-" && (o.out.Hex || o.live) {
		return fault.Usagef("-o - and --hex or --live both want standard output: give a FILE")
	}
	if o.file == "-" && terminal.IsTerminal(a.Stdout) {
		return fault.Usagef("-o -: standard output is a terminal, which shows no pictures: send it elsewhere, or give a FILE")
	}
	shape, err := output.NewPrinter(a, o.out)
	if err != nil {
		return err
	}
	cam := &camera{a: a, every: o.every, shape: shape, any: anyMessage}
	for _, text := range o.ask {
		if text == "-" {
			return fault.Usagef("--ask -: standard input can't be used here; text:- sends a -")
		}
		m, err := input.Parse(text, "text")
		if err != nil {
			return fault.Usagef("--ask: %w", err)
		}
		cam.asks = append(cam.asks, m)
	}
	if o.every != 0 && (o.every < 0 || len(o.ask) == 0) {
		return fault.Usagef("--every is a time between the questions of --ask")
	}
	p, err := newPicturing(a, o)
	if err != nil {
		return err
	}
	p.shape, p.proto = shape, e.Protocol.Name()
	if err := p.checkNew(); err != nil {
		return err
	}
	d, err := a.Dialer(e)
	if err != nil {
		return err
	}
	if len(cam.asks) > 0 {
		app.TellsLost(d)
	}
	if cam.c, err = a.Dial(ctx, e, d); err != nil {
		return err
	}
	if o.live {
		if p.live, err = newLive(a); err != nil {
			return errors.Join(err, cam.c.Close())
		}
		defer p.live.end()
	}
	if o.watch || o.live {
		err = p.watch(ctx, cam)
	} else {
		err = p.takeAll(ctx, cam)
	}
	cam.c.Close()
	return diagnose.Explain(cam.c, err)
}

// newPicturing reads the flags about the pictures.
func newPicturing(a *app.App, o imageOptions) (*picturing, error) {
	p := &picturing{a: a, count: o.count, overwrite: o.watch || o.live, out: o.file, typ: render.Type(o.typ), force: o.force, depth: o.depth}
	switch {
	case o.depth != 8 && o.depth != 16:
		return nil, fault.Usagef("--depth %d: want 8 or 16", o.depth)
	case o.depth == 16 && p.typ == render.RGB:
		return nil, fault.Usagef("--depth 16 is gray: rgb has 8 bits for each colour")
	case o.count < -1:
		return nil, fault.Usagef("--count can't be negative")
	case o.count == -1 && p.overwrite:
		p.count = 0
	case o.count == -1:
		p.count = max(len(o.ask), 1)
	}
	if o.file == "" {
		p.out = "frame.png"
		if o.npy {
			p.out = "frame.npy"
		}
	}
	if o.live && o.file == "" {
		p.format = noFile
	} else {
		var err error
		if p.format, err = formatOf(p.out, o.npy); err != nil {
			return nil, err
		}
	}
	if o.depth == 16 && p.format != "png" {
		return nil, fault.Usagef("--depth is for .png: %s files have the depth of the values", p.format)
	}
	if o.typ != "" && !slices.Contains(render.Types(), p.typ) {
		return nil, fault.Usagef("--type %s: want float32, uint16, uint8, float64, int16 or rgb", o.typ)
	}
	if o.shape != "" {
		var rest string
		n, _ := fmt.Sscanf(strings.ToLower(o.shape), "%dx%d%s", &p.width, &p.height, &rest)
		if n != 2 || p.width < 1 || p.height < 1 {
			return nil, fault.Usagef("--shape %s: want WIDTHxHEIGHT, for instance 512x512", o.shape)
		}
	}
	var err error
	if p.cmap, err = render.MapByName(o.cmap); err != nil {
		return nil, fault.Usagef("--map: %w: want %s", err, strings.Join(render.MapNames(), " or "))
	}
	switch c := o.clip; {
	case len(c) == 0:
	case len(c) != 2 || !(0 <= c[0] && c[0] < c[1] && c[1] <= 100):
		return nil, fault.Usagef("--clip: want two percentiles from 0 to 100, for instance 1,99")
	default:
		p.ranged = true
		p.scale = func(f render.Frame, _ render.Stats) render.Range { return f.Percentiles(c[0], c[1]) }
		return p, nil
	}
	switch r := o.rng; {
	case len(r) == 0:
		p.scale = func(_ render.Frame, s render.Stats) render.Range { return render.Range{Low: s.Min, High: s.Max} }
	case len(r) != 2 || !(r[0] < r[1]) || math.IsInf(r[1]-r[0], 0):
		return nil, fault.Usagef("--range: want two values, the smaller one first, for instance 0,4095")
	default:
		p.ranged = true
		p.scale = func(render.Frame, render.Stats) render.Range { return render.Range{Low: r[0], High: r[1]} }
	}
	return p, nil
}

// camera is the instrument.
type camera struct {
	a     *app.App
	c     *parley.Conn
	asks  []parley.Message
	every time.Duration
	asked int
	next  time.Time // when it may be asked again
	shape *output.Printer
	any   bool // text may be a frame too
}

// arrived is a frame with its times, see printer.times.
type arrived struct {
	parley.Message
	at         time.Time
	delta, rtt time.Duration
}

// frame returns the next frame, asking for it if there is something to ask.
func (cam *camera) frame(ctx context.Context) (arrived, error) {
	if len(cam.asks) > 0 {
		if err := cam.ask(ctx); err != nil {
			return arrived{}, err
		}
	}
	m, err := cam.receive(ctx)
	f := arrived{Message: m, at: time.Now()}
	f.delta, f.rtt = cam.shape.Times(f.at)
	return f, err
}

// receive returns the next frame that comes.
func (cam *camera) receive(ctx context.Context) (parley.Message, error) {
	wait := cam.a.AnswerTimeout()
	ctx, cancel := cam.a.Moving(ctx, cam.c)
	defer cancel()
	for {
		m, err := cam.c.Receive(ctx)
		lost := errors.As(err, new(*parley.MessageError))
		switch {
		case err == nil && !cam.shape.Wanted(m): // --filter, --grep
		case err == nil && cam.isFrame(m):
			if m.Type() == parley.TypeText && !cam.shape.Flags.Block {
				m = parley.Bytes(m.Bytes())
			}
			return m, nil
		case err == nil && len(cam.asks) > 0:
			return m, cam.noFrame(m)
		case err == nil:
			fmt.Fprintf(cam.a.Stderr, "left out, no frame: %v\n", m)
		case lost && len(cam.asks) == 0: // it is in the log
		case errors.Is(err, parley.ErrTooLarge):
			return m, &fault.Error{Code: fault.Fail, Err: fault.Bare(err), Hint: "a larger frame needs a larger --max-message"}
		case fault.IsTimeout(err):
			f := &fault.Error{Code: fault.Timeout, Err: fmt.Errorf("no frame came within %v", wait)}
			if len(cam.asks) == 0 {
				f.Hint = "the instrument may want to be asked: --ask"
			}
			return m, f
		default:
			return m, err
		}
	}
}

// isFrame reports whether m is one. A block's data is, and its header is none of it.
func (cam *camera) isFrame(m parley.Message) bool {
	if !cam.any && !cam.shape.Flags.Block {
		return m.Type() == parley.TypeBytes
	}
	_, block := line.Block(m)
	return block == cam.shape.Flags.Block
}

// noFrame says that m, which the instrument was asked for, is no frame.
func (cam *camera) noFrame(m parley.Message) error {
	f := &fault.Error{Code: fault.Fail, Err: fmt.Errorf("the instrument answered %v, which is no frame", m)}
	if _, block := line.Block(m); block {
		f.Hint = "it has an IEEE 488.2 block: --block takes its data"
	} else if cam.shape.Flags.Block {
		f.Hint = "--block: there is no IEEE 488.2 block in it"
	}
	return f
}

// ask asks the next question when its time has come.
func (cam *camera) ask(ctx context.Context) error {
	pause := time.NewTimer(time.Until(cam.next))
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	cam.next = time.Now().Add(cam.every)
	m := cam.asks[cam.asked%len(cam.asks)]
	cam.asked++
	cam.shape.NoteSent()
	if err := cam.c.Send(ctx, m); err != nil {
		return fmt.Errorf("--ask %v: %w", m, fault.Bare(err))
	}
	return nil
}
