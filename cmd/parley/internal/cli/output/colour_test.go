package output

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/terminal"
)

// Times and what arrives have colours of their own, and what could act on the
// terminal is escaped.
func TestColours(t *testing.T) {
	a := app.New("devel", strings.NewReader(""), new(bytes.Buffer), new(bytes.Buffer))
	p, err := NewPrinter(a, Flags{Time: true})
	if err != nil {
		t.Fatal(err)
	}
	var screen bytes.Buffer
	p.Paint = &screen
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	if _, err := p.Print(context.Background(), at, 1, "in", "oneline", parley.Text("a\x1b[31mb")); err != nil {
		t.Fatal(err)
	}
	if got, want := screen.String(), "\x1b[2m03:04:05.000006 \x1b[0m\x1b[36ma\\x1b[31mb\x1b[0m\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if terminal.HasColour(&screen) {
		t.Error("a buffer has colours")
	}
}
