// Package prompt reads lines at a terminal: with editing, a history that is
// kept in a file, and completion. What the program prints meanwhile appears
// above the line that is being typed.
package prompt

import (
	"bytes"
	"errors"
	"io"
	"os"

	"golang.org/x/term"
)

// ErrInterrupted is what ReadLine returns after Ctrl-C.
var ErrInterrupted = errors.New("interrupted")

// Options are all optional.
type Options struct {
	History *History // nil: only the lines of this session can be recalled
	// Complete returns the ways in which a line that begins with begun could
	// go on, each of them whole up to where the cursor would be.
	Complete func(begun string) []string
	// Interrupt is called at once when Ctrl-C is typed, even while nobody
	// waits in ReadLine but another line is being read ahead.
	Interrupt func()
	// Size returns the size of the terminal in characters. nil: 80 × 24.
	Size func() (width, height int, err error)
}

// Prompt is a terminal with a line for typing. ReadLine may be called by one
// goroutine at a time, Write concurrently by others.
type Prompt struct {
	t       *term.Terminal
	o       Options
	keys    *keys
	out     io.Writer
	restore func() error
}

// Open makes a terminal ready: in is where it is typed, out where it shows.
// Close must be called in the end, or the terminal stays as it is.
func Open(in, out *os.File, o Options) (*Prompt, error) {
	state, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, err
	}
	o.Size = func() (int, int, error) { return term.GetSize(int(out.Fd())) }
	p := New(in, out, o)
	p.restore = func() error { return term.Restore(int(in.Fd()), state) }
	return p, nil
}

// New is Open for what is in raw mode already, or no terminal at all.
func New(in io.Reader, out io.Writer, o Options) *Prompt {
	k := &keys{Reader: in, interrupt: o.Interrupt}
	p := &Prompt{o: o, keys: k, out: out, t: term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{k, out}, "> ")}
	if o.History != nil {
		p.t.History = o.History
	}
	p.t.AutoCompleteCallback = p.key
	p.resize()
	return p
}

// ReadLine returns the next line that is typed. It returns io.EOF after Ctrl-D
// on an empty line, and ErrInterrupted after Ctrl-C.
func (p *Prompt) ReadLine() (string, error) {
	line, err := p.t.ReadLine()
	switch {
	case err == io.EOF && p.keys.interrupted:
		err = ErrInterrupted
	case err == term.ErrPasteIndicator: // pasted lines are lines
		err = nil
	}
	return line, err
}

// Write prints whole lines above the one that is being typed.
func (p *Prompt) Write(b []byte) (int, error) {
	p.resize()
	return p.t.Write(b)
}

// SetPrompt changes what stands in front of the lines read from now on.
func (p *Prompt) SetPrompt(prompt string) { p.t.SetPrompt(prompt) }

// Close removes the prompt and makes the terminal what it was before Open. A
// ReadLine that waits goes on waiting for a key.
func (p *Prompt) Close() error {
	p.t.SetPrompt("")
	p.t.Write(nil) // removes the old prompt
	_, err := io.WriteString(p.out, "\r\x1b[K")
	if p.restore != nil {
		err = errors.Join(err, p.restore())
	}
	return err
}

// resize takes note of the size of the terminal, which may have changed. Each
// key and each Write asks for it: signals would not reach every system.
func (p *Prompt) resize() {
	if p.o.Size == nil {
		return
	}
	if w, h, err := p.o.Size(); err == nil && w > 0 {
		p.t.SetSize(w, h)
	}
}

// key is called for each key but those that move the cursor or delete.
func (p *Prompt) key(line string, pos int, key rune) (string, int, bool) {
	p.resize()
	if key != '\t' || p.o.Complete == nil {
		return "", 0, false
	}
	begun, rest := line[:pos], line[pos:]
	choices := p.o.Complete(begun)
	longest := common(choices)
	if len(longest) <= len(begun) {
		if len(choices) > 1 {
			p.t.Write(columns(choices, begun))
		}
		return line, pos, true
	}
	return longest + rest, len(longest), true
}

// keys is what is typed; it notices Ctrl-C.
type keys struct {
	io.Reader
	interrupt   func()
	interrupted bool // only the goroutine that reads uses it
}

const ctrlC = 3

// Read reads what is typed.
func (k *keys) Read(p []byte) (int, error) {
	n, err := k.Reader.Read(p)
	if bytes.IndexByte(p[:n], ctrlC) >= 0 {
		k.interrupted = true
		if k.interrupt != nil {
			k.interrupt()
		}
	}
	return n, err
}
