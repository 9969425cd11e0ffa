package main

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

	"github.com/parley-net/parley/oneline"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley"
)

// outputFlags say how messages are printed.
type outputFlags struct {
	json, hex, raw   bool
	block            bool // the first block of a message
	time, delta, rtt bool
	date             bool // with the time
	filter           []string
	grep             string
	translate        string
	dump             string
}

// add adds the flags to a command that receives.
func (o *outputFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&o.json, "json", false, "print messages as JSON, one object per line")
	f.BoolVar(&o.hex, "hex", false, "print their bytes in hexadecimal, one message per line")
	f.BoolVar(&o.raw, "raw", false, "print their bytes and nothing else")
	o.addTimes(cmd)
	o.addWanted(cmd)
	o.addShape(cmd)
	cmd.MarkFlagsMutuallyExclusive("json", "hex", "raw")
}

// addWanted adds --filter and --grep.
func (o *outputFlags) addWanted(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringSliceVar(&o.filter, "filter", nil, "print only messages of these `TYPES`: bytes, text, int, float, object, invalid")
	f.StringVar(&o.grep, "grep", "", "print only messages whose text matches `REGEXP`")
	cmd.RegisterFlagCompletionFunc("filter", cobra.FixedCompletions(filters, cobra.ShellCompDirectiveNoFileComp))
}

// addTimes adds -t, -d and --rtt.
func (o *outputFlags) addTimes(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVarP(&o.time, "time", "t", false, "print the time of arrival in front")
	f.BoolVarP(&o.delta, "delta", "d", false, "print the seconds since the message before in front")
	f.BoolVar(&o.rtt, "rtt", false, "print the seconds since the last message sent in front")
}

// given reports whether any of the flags is.
func (o *outputFlags) given() bool {
	return o.json || o.hex || o.raw || o.block || o.time || o.delta || o.rtt || len(o.filter) > 0 ||
		o.grep != "" || o.translate != "" || o.dump != ""
}

// addShape adds --translate and --dump.
func (o *outputFlags) addShape(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.translate, "translate", "", "print what `CMD` makes of a message's bytes, which it gets on its standard input")
	f.StringVar(&o.dump, "dump", "", "also write each message to a file of its own in `DIR`")
}

var filters = []string{"bytes", "text", "int", "float", "object", "invalid"}

// printer prints messages to stdout. Its methods may be called concurrently.
type printer struct {
	a         *app
	o         outputFlags
	grep      *regexp.Regexp
	translate []string
	escape    bool                        // stdout is a terminal: show control characters
	paint     io.Writer                   // the terminal, if what is printed is to have colours
	text      func(parley.Message) []byte // a message as text

	mu   sync.Mutex
	buf  []byte
	last time.Time // when the last message was printed
	sent time.Time // when the last message was sent
	n    int       // messages dumped
}

// newPrinter returns a printer for the flags.
func newPrinter(a *app, o outputFlags) (*printer, error) {
	p := &printer{a: a, o: o, escape: isTerminal(a.stdout), text: payload}
	if (o.raw || o.block && !o.hex && !o.json) && (o.time || o.delta || o.rtt) {
		name := "--raw"
		if o.block {
			name = "--block"
		}
		return nil, usagef("%s prints bytes and nothing else: leave out -t, -d and --rtt", name)
	}
	for _, f := range o.filter {
		if !slices.Contains(filters, f) {
			return nil, usagef("--filter %s: want %s", f, strings.Join(filters, ", "))
		}
	}
	var err error
	if o.grep != "" {
		if p.grep, err = regexpOf("--grep", o.grep); err != nil {
			return nil, err
		}
	}
	if o.translate != "" {
		if p.translate, err = splitWords(o.translate); err != nil {
			return nil, usagef("--translate: %w", err)
		}
	}
	if o.dump != "" {
		if err := os.MkdirAll(o.dump, 0o700); err != nil {
			return nil, fmt.Errorf("--dump: %w", err)
		}
	}
	return p, nil
}

// noteSent says that a message is about to be sent, for --rtt: afterwards the
// answer could be here already.
func (p *printer) noteSent() {
	p.mu.Lock()
	p.sent = time.Now()
	p.mu.Unlock()
}

// print prints a message that went the way dir, "in" or "out". It reports
// whether --filter and --grep let it through.
func (p *printer) print(ctx context.Context, at time.Time, conn uint64, dir, proto string, m parley.Message) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.wanted(m) {
		return false, nil
	}
	m, err := p.shaped(ctx, m)
	if err != nil {
		return true, err
	}
	delta, rtt := p.timesLocked(at)
	p.buf = p.buf[:0]
	if p.o.json {
		r := newRecord(m)
		r.TS, r.Conn, r.Dir, r.Proto = &at, conn, dir, proto
		if p.o.delta {
			r.Delta = seconds(delta)
		}
		if p.o.rtt {
			r.RTT = seconds(rtt)
		}
		p.buf, err = r.appendLine(p.buf)
	} else {
		p.buf = p.o.prefix(p.buf, at, delta, rtt)
		front := len(p.buf)
		p.body(m)
		if p.paint != nil && !p.o.raw {
			return true, p.coloured(front)
		}
	}
	if err == nil {
		_, err = p.a.stdout.Write(p.buf)
	}
	return true, err
}

// coloured prints what is in the buffer: the times in front in one colour, what has
// arrived in another.
func (p *printer) coloured(front int) error {
	b := append([]byte(colourTime), p.buf[:front]...)
	b = append(b, colourOff+colourIn...)
	b = appendVisible(b, bytes.TrimSuffix(p.buf[front:], []byte("\n")))
	_, err := p.paint.Write(append(b, colourOff+"\n"...))
	return err
}

// shaped does what --block, --dump and --translate ask for.
func (p *printer) shaped(ctx context.Context, m parley.Message) (parley.Message, error) {
	if p.o.block {
		var err error
		if m, err = blockOf(m); err != nil {
			return m, err
		}
	}
	if p.o.dump != "" {
		p.n++
		if err := writePrivate("--dump", filepath.Join(p.o.dump, fmt.Sprintf("%06d.bin", p.n)), payload(m)); err != nil {
			return m, err
		}
	}
	if p.translate == nil {
		return m, nil
	}
	out, err := translated(ctx, p.translate, payload(m))
	if err != nil || m.Type() != parley.TypeText {
		return parley.Bytes(out), err
	}
	return m.WithBytes(out), nil
}

func seconds(d time.Duration) *float64 {
	s := d.Seconds()
	return &s
}

// times returns the time since the message before and since the last message
// sent, or 0, and notes that there is a message now.
func (p *printer) times(at time.Time) (delta, rtt time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.timesLocked(at)
}

func (p *printer) timesLocked(at time.Time) (delta, rtt time.Duration) {
	if !p.last.IsZero() {
		delta = at.Sub(p.last)
	}
	if !p.sent.IsZero() {
		rtt = at.Sub(p.sent)
	}
	p.last = at
	return delta, rtt
}

// wanted reports whether --filter and --grep let m through.
func (p *printer) wanted(m parley.Message) bool {
	if len(p.o.filter) > 0 && !slices.Contains(p.o.filter, m.Type().String()) &&
		!(oneline.Invalid(m) && slices.Contains(p.o.filter, "invalid")) {
		return false
	}
	return p.grep == nil || p.grep.Match(p.text(m))
}

// prefix appends what -t, -d and --rtt ask for.
func (o *outputFlags) prefix(dst []byte, at time.Time, delta, rtt time.Duration) []byte {
	if o.time {
		dst = append(at.AppendFormat(dst, "15:04:05.000000"), ' ')
	}
	if o.delta {
		dst = append(strconv.AppendFloat(append(dst, '+'), delta.Seconds(), 'f', 6, 64), ' ')
	}
	if o.rtt {
		dst = append(strconv.AppendFloat(dst, rtt.Seconds(), 'f', 6, 64), ' ')
	}
	return dst
}

// body appends the message itself.
func (p *printer) body(m parley.Message) {
	b, alone := payload(m), p.o.raw || p.o.block
	switch {
	case p.o.hex:
		p.buf = hex.AppendEncode(p.buf, b)
	case alone && p.escape:
		p.buf = appendVisible(p.buf, b)
		return
	case alone:
		p.buf = append(p.buf, b...)
		return
	case p.escape:
		p.buf = appendVisible(p.buf, p.text(m))
	default:
		p.buf = append(p.buf, p.text(m)...)
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

// toggleHex turns --hex on or off.
func (p *printer) toggleHex() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.o.hex = !p.o.hex
	p.o.json, p.o.raw = false, false
	return p.o.hex
}

// toggleRTT turns --rtt on or off.
func (p *printer) toggleRTT() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.o.rtt = !p.o.rtt
	return p.o.rtt
}
