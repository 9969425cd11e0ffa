package image

import (
	"fmt"
	"image"
	"image/color"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/terminal"
	"github.com/parley-net/parley/cmd/parley/internal/render"
)

// live shows frames on the terminal: two pixels in each place, one above the other,
// by half blocks in colour; without colour (NO_COLOR) or without these characters
// (LC_ALL=C) one by a character that is as dark. The last line has the figures.
type live struct {
	screen *os.File
	colour bool
	began  time.Time
	frames int
}

// newLive returns the live picture, which ends with end.
func newLive(a *app.App) (*live, error) {
	screen, ok := a.Stdout.(*os.File)
	if !ok || !terminal.IsTerminal(a.Stdout) || terminal.IsDumb() {
		return nil, fault.Usagef("--live shows pictures on a terminal that can move its cursor, which standard output is not: give a FILE with --watch")
	}
	l := &live{screen: screen, colour: os.Getenv("NO_COLOR") == "" && terminal.IsUTF8(), began: time.Now()}
	fmt.Fprint(screen, "\x1b[?25l\x1b[2J")
	return l, nil
}

// end gives the terminal back.
func (l *live) end() {
	_, h, err := term.GetSize(int(l.screen.Fd()))
	if err != nil {
		h = 24
	}
	fmt.Fprintf(l.screen, "\x1b[%d;1H\x1b[?25h\n", h)
}

// show draws a frame.
func (l *live) show(f render.Frame, r render.Range, m *render.Map, what string, dropped int64) error {
	w, h, err := term.GetSize(int(l.screen.Fd()))
	if err != nil || w < 8 || h < 3 {
		w, h = 80, 24
	}
	l.frames++
	var b strings.Builder
	b.WriteString("\x1b[H")
	l.draw(&b, f.Draw(r, m), w, h-1)
	rate := float64(l.frames) / max(time.Since(l.began).Seconds(), 1e-3)
	status := fmt.Sprintf("%s  %.4g … %.4g  %.1f/s  %d shown, %d dropped", what, r.Low, r.High, rate, l.frames, dropped)
	if !terminal.IsUTF8() {
		status = strings.ReplaceAll(status, "…", "to")
	}
	if runes := []rune(status); len(runes) > w {
		status = string(runes[:w])
	}
	fmt.Fprintf(&b, "\x1b[%d;1H\x1b[0m\x1b[2K%s", h, status)
	_, err = l.screen.WriteString(b.String())
	return err
}

// draw paints a picture into w columns and h lines, as large as it fits.
func (l *live) draw(b *strings.Builder, img *image.RGBA, w, h int) {
	size := img.Bounds().Size()
	rows := 2 * h // a place is about twice as high as it is wide
	scale := min(float64(w)/float64(size.X), float64(rows)/float64(size.Y))
	cols, lines := max(int(float64(size.X)*scale), 1), max(int(float64(size.Y)*scale)/2, 1)
	at := func(x, y int) color.RGBA { // of a grid of cols × 2·lines
		return img.RGBAAt(min((2*x+1)*size.X/(2*cols), size.X-1), min((2*y+1)*size.Y/(4*lines), size.Y-1))
	}
	for y := range h {
		last := ""
		for x := range cols {
			if y >= lines {
				break
			}
			top, bottom := at(x, 2*y), at(x, 2*y+1)
			if !l.colour {
				b.WriteByte(shade(top, bottom))
				continue
			}
			if c := fmt.Sprintf("\x1b[38;2;%d;%d;%d;48;2;%d;%d;%dm", top.R, top.G, top.B, bottom.R, bottom.G, bottom.B); c != last {
				b.WriteString(c)
				last = c
			}
			b.WriteString("▀")
		}
		if l.colour {
			b.WriteString("\x1b[0m")
		}
		b.WriteString("\x1b[K")
		if y < h-1 {
			b.WriteString("\r\n")
		}
	}
}

// shade is a character as bright as two pixels.
func shade(a, b color.RGBA) byte {
	const ramp = " .:-=+*#%@"
	gray := func(c color.RGBA) int { return int(color.GrayModel.Convert(c).(color.Gray).Y) }
	return ramp[(gray(a)+gray(b))/2*(len(ramp)-1)/255]
}
