// Package output prints messages: as text, JSON, hexadecimal or bytes, with times,
// filters, and what --translate and --dump make of them.
package output

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"

	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/private"
	"github.com/parley-net/parley/cmd/parley/internal/cli/shellwords"
	"github.com/parley-net/parley/cmd/parley/internal/cli/terminal"
	"github.com/parley-net/parley/oneline"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley"
)

// Flags say how messages are printed.
type Flags struct {
	JSON, Hex, Raw   bool
	Block            bool // the first block of a message
	Time, Delta, RTT bool
	Date             bool // with the time
	Filter           []string
	Grep             string
	translate        string
	dump             string
}

// Add adds the flags to a command that receives.
func (o *Flags) Add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&o.JSON, "json", false, "print messages as JSON, one object per line")
	f.BoolVar(&o.Hex, "hex", false, "print their bytes in hexadecimal, one message per line")
	f.BoolVar(&o.Raw, "raw", false, "print their bytes and nothing else")
	o.AddTimes(cmd)
	o.AddWanted(cmd)
	o.AddShape(cmd)
	cmd.MarkFlagsMutuallyExclusive("json", "hex", "raw")
}

// AddWanted adds --filter and --grep.
func (o *Flags) AddWanted(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringSliceVar(&o.Filter, "filter", nil, "print only messages of these `TYPES`: bytes, text, int, float, object, invalid")
	f.StringVar(&o.Grep, "grep", "", "print only messages whose text matches `REGEXP`")
	cmd.RegisterFlagCompletionFunc("filter", cobra.FixedCompletions(Types, cobra.ShellCompDirectiveNoFileComp))
}

// AddTimes adds -t, -d and --rtt.
func (o *Flags) AddTimes(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVarP(&o.Time, "time", "t", false, "print the time of arrival in front")
	f.BoolVarP(&o.Delta, "delta", "d", false, "print the seconds since the message before in front")
	f.BoolVar(&o.RTT, "rtt", false, "print the seconds since the last message sent in front")
}

// Given reports whether any of the flags is.
func (o *Flags) Given() bool {
	return o.JSON || o.Hex || o.Raw || o.Block || o.Time || o.Delta || o.RTT || len(o.Filter) > 0 ||
		o.Grep != "" || o.translate != "" || o.dump != ""
}

// AddShape adds --translate and --dump.
func (o *Flags) AddShape(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.translate, "translate", "", "print what `CMD` makes of a message's bytes, which it gets on its standard input")
	f.StringVar(&o.dump, "dump", "", "also write each message to a file of its own in `DIR`")
}

var Types = []string{"bytes", "text", "int", "float", "object", "invalid"}

// Printer prints messages to stdout. Its methods may be called concurrently.
type Printer struct {
	a         *app.App
	Flags     Flags
	grep      *regexp.Regexp
	translate []string
	escape    bool                        // stdout is a terminal: show control characters
	Paint     io.Writer                   // the terminal, if what is printed is to have colours
	Text      func(parley.Message) []byte // a message as text

	mu   sync.Mutex
	buf  []byte
	last time.Time // when the last message was printed
	sent time.Time // when the last message was sent
	n    int       // messages dumped
}

// NewPrinter returns a printer for the flags.
func NewPrinter(a *app.App, o Flags) (*Printer, error) {
	p := &Printer{a: a, Flags: o, escape: terminal.IsTerminal(a.Stdout), Text: Payload}
	if (o.Raw || o.Block && !o.Hex && !o.JSON) && (o.Time || o.Delta || o.RTT) {
		name := "--raw"
		if o.Block {
			name = "--block"
		}
		return nil, fault.Usagef("%s prints bytes and nothing else: leave out -t, -d and --rtt", name)
	}
	for _, f := range o.Filter {
		if !slices.Contains(Types, f) {
			return nil, fault.Usagef("--filter %s: want %s", f, strings.Join(Types, ", "))
		}
	}
	var err error
	if o.Grep != "" {
		if p.grep, err = fault.Regexp("--grep", o.Grep); err != nil {
			return nil, err
		}
	}
	if o.translate != "" {
		if p.translate, err = shellwords.Split(o.translate); err != nil {
			return nil, fault.Usagef("--translate: %w", err)
		}
	}
	if o.dump != "" {
		if err := os.MkdirAll(o.dump, 0o700); err != nil {
			return nil, fmt.Errorf("--dump: %w", err)
		}
	}
	return p, nil
}

// NoteSent says that a message is about to be sent, for --rtt: afterwards the
// answer could be here already.
func (p *Printer) NoteSent() {
	p.mu.Lock()
	p.sent = time.Now()
	p.mu.Unlock()
}

// Print prints a message that went the way dir, "in" or "out". It reports
// whether --filter and --grep let it through.
func (p *Printer) Print(ctx context.Context, at time.Time, conn uint64, dir, proto string, m parley.Message) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.Wanted(m) {
		return false, nil
	}
	m, err := p.Shaped(ctx, m)
	if err != nil {
		return true, err
	}
	delta, rtt := p.timesLocked(at)
	p.buf = p.buf[:0]
	if p.Flags.JSON {
		r := NewRecord(m)
		r.TS, r.Conn, r.Dir, r.Proto = &at, conn, dir, proto
		if p.Flags.Delta {
			r.Delta = Seconds(delta)
		}
		if p.Flags.RTT {
			r.RTT = Seconds(rtt)
		}
		p.buf, err = r.AppendLine(p.buf)
	} else {
		p.buf = p.Flags.Prefix(p.buf, at, delta, rtt)
		front := len(p.buf)
		p.body(m)
		if p.Paint != nil && !p.Flags.Raw {
			return true, p.coloured(front)
		}
	}
	if err == nil {
		_, err = p.a.Stdout.Write(p.buf)
	}
	return true, err
}

// coloured prints what is in the buffer: the times in front in one colour, what has
// arrived in another.
func (p *Printer) coloured(front int) error {
	b := append([]byte(terminal.ColourTime), p.buf[:front]...)
	b = append(b, terminal.ColourOff+terminal.ColourIn...)
	b = terminal.AppendVisible(b, bytes.TrimSuffix(p.buf[front:], []byte("\n")))
	_, err := p.Paint.Write(append(b, terminal.ColourOff+"\n"...))
	return err
}

// Shaped does what --block, --dump and --translate ask for.
func (p *Printer) Shaped(ctx context.Context, m parley.Message) (parley.Message, error) {
	if p.Flags.Block {
		var err error
		if m, err = blockOf(m); err != nil {
			return m, err
		}
	}
	if p.Flags.dump != "" {
		p.n++
		if err := private.Write("--dump", filepath.Join(p.Flags.dump, fmt.Sprintf("%06d.bin", p.n)), Payload(m)); err != nil {
			return m, err
		}
	}
	if p.translate == nil {
		return m, nil
	}
	out, err := translated(ctx, p.translate, Payload(m))
	if err != nil || m.Type() != parley.TypeText {
		return parley.Bytes(out), err
	}
	return m.WithBytes(out), nil
}

func Seconds(d time.Duration) *float64 {
	s := d.Seconds()
	return &s
}

// Times returns the time since the message before and since the last message
// sent, or 0, and notes that there is a message now.
func (p *Printer) Times(at time.Time) (delta, rtt time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.timesLocked(at)
}

func (p *Printer) timesLocked(at time.Time) (delta, rtt time.Duration) {
	if !p.last.IsZero() {
		delta = at.Sub(p.last)
	}
	if !p.sent.IsZero() {
		rtt = at.Sub(p.sent)
	}
	p.last = at
	return delta, rtt
}

// Wanted reports whether --filter and --grep let m through.
func (p *Printer) Wanted(m parley.Message) bool {
	if len(p.Flags.Filter) > 0 && !slices.Contains(p.Flags.Filter, m.Type().String()) &&
		!(oneline.Invalid(m) && slices.Contains(p.Flags.Filter, "invalid")) {
		return false
	}
	return p.grep == nil || p.grep.Match(p.Text(m))
}

// Prefix appends what -t, -d and --rtt ask for.
func (o *Flags) Prefix(dst []byte, at time.Time, delta, rtt time.Duration) []byte {
	if o.Time {
		dst = append(at.AppendFormat(dst, "15:04:05.000000"), ' ')
	}
	if o.Delta {
		dst = append(strconv.AppendFloat(append(dst, '+'), delta.Seconds(), 'f', 6, 64), ' ')
	}
	if o.RTT {
		dst = append(strconv.AppendFloat(dst, rtt.Seconds(), 'f', 6, 64), ' ')
	}
	return dst
}

// body appends the message itself.
func (p *Printer) body(m parley.Message) {
	b, alone := Payload(m), p.Flags.Raw || p.Flags.Block
	switch {
	case p.Flags.Hex:
		p.buf = hex.AppendEncode(p.buf, b)
	case alone && p.escape:
		p.buf = terminal.AppendVisible(p.buf, b)
		return
	case alone:
		p.buf = append(p.buf, b...)
		return
	case p.escape:
		p.buf = terminal.AppendVisible(p.buf, p.Text(m))
	default:
		p.buf = append(p.buf, p.Text(m)...)
	}
	p.buf = append(p.buf, '\n')
}

// translated returns what the program makes of b.
func translated(ctx context.Context, command []string, b []byte) ([]byte, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdin = bytes.NewReader(b)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("--translate %s: %w: %s", command[0], err, bytes.TrimSpace(stderr.Bytes()))
	}
	return bytes.TrimSuffix(out, []byte("\n")), nil
}

// ToggleHex turns --hex on or off.
func (p *Printer) ToggleHex() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Flags.Hex = !p.Flags.Hex
	p.Flags.JSON, p.Flags.Raw = false, false
	return p.Flags.Hex
}

// ToggleRTT turns --rtt on or off.
func (p *Printer) ToggleRTT() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Flags.RTT = !p.Flags.RTT
	return p.Flags.RTT
}
