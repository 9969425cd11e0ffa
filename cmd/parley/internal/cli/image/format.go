package image

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/image/tiff"

	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/render"
)

// format is what kind of file a picture is.
type format string

// formats are the kinds, by how names of such files end.
var formats = map[string]format{".png": "png", ".tif": "tiff", ".tiff": "tiff", ".fits": "fits", ".fit": "fits", ".npy": "npy"}

// noFile: the frame is shown only.
const noFile format = "none"

// formatOf returns the kind of file that a name asks for. A device or a pipe that is
// there gets a PNG, whatever it is called.
func formatOf(name string, npy bool) (format, error) {
	ext := strings.ToLower(filepath.Ext(name))
	f, known := formats[ext]
	info, err := os.Stat(name)
	special := err == nil && !info.Mode().IsRegular() && !info.IsDir()
	switch {
	case npy && known && f != "npy":
		return "", fault.Usagef("-o %s: --npy writes .npy files", name)
	case npy:
		return "npy", nil
	case known:
		return f, nil
	case name == "-" || special:
		return "png", nil
	case ext == "":
		return "", fault.Usagef("-o %s: the name has to end in .png, .tiff, .fits or .npy, which says what is written", name)
	}
	return "", fault.Usagef("-o %s: %s is not written: want .png, .tiff, .fits or .npy", name, ext)
}

// checkNew refuses names of pictures that are there, before anything is asked.
func (p *picturing) checkNew() error {
	if p.out == "-" || p.format == noFile {
		return nil
	}
	if info, err := os.Stat(filepath.Dir(p.out)); err != nil || !info.IsDir() {
		return fault.Usagef("-o %s: there is no folder %s", p.out, filepath.Dir(p.out))
	}
	if p.force {
		return nil
	}
	if p.count == 0 && !p.overwrite { // the first one tells
		p.n = 1
	}
	last := max(p.count, 1)
	if p.overwrite {
		last = 1
	}
	defer func() { p.n = 0 }()
	for p.n = 1; p.n <= last; p.n++ {
		if err := notThere(p.name()); err != nil {
			return err
		}
	}
	return nil
}

// notThere refuses a name that a regular file has.
func notThere(name string) error {
	info, err := os.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err == nil && info.Mode()&fs.ModeSymlink != 0:
		if info, err = os.Stat(name); err != nil {
			return nil
		}
	}
	if err == nil && info.Mode().IsRegular() {
		return fmt.Errorf("%s is there already: use another name, or --force", name)
	}
	return nil
}

// encode returns the file for a frame whose message has these bytes.
func (p *picturing) encode(f render.Frame, stats render.Stats, pixels []byte, typ render.Type) ([]byte, error) {
	var b bytes.Buffer
	var err error
	switch {
	case p.format == "npy":
		return render.NPY(pixels, typ, f.Width, f.Height)
	case p.format == "fits":
		return render.FITS(pixels, typ, f.Width, f.Height)
	case p.format == "tiff":
		err = tiff.Encode(&b, p.plain(f, stats, typ), &tiff.Options{Compression: tiff.Deflate, Predictor: true})
	default:
		enc := png.Encoder{}
		if p.overwrite {
			enc.CompressionLevel = png.BestSpeed // nobody keeps it
		}
		var img image.Image = f.Draw(p.rangeOf(f, stats), p.cmap)
		if p.depth == 16 {
			img = p.plain(f, stats, typ)
		}
		err = enc.Encode(&b, img)
	}
	return b.Bytes(), err
}

// plain is a frame in gray or its own colours: whole numbers as they are, unless a
// range is given.
func (p *picturing) plain(f render.Frame, stats render.Stats, typ render.Type) image.Image {
	switch {
	case f.Color:
		return f.Draw(p.rangeOf(f, stats), p.cmap)
	case typ == render.Uint8 && p.depth != 16:
		return f.Gray8(p.rangeIf(f, stats, render.Range{High: 255}))
	case typ == render.Uint16:
		return f.Gray(p.rangeIf(f, stats, render.Range{High: 65535}))
	}
	return f.Gray(p.rangeOf(f, stats))
}

// rangeIf is the range that --clip or --range gives, or whole.
func (p *picturing) rangeIf(f render.Frame, stats render.Stats, whole render.Range) render.Range {
	if p.ranged {
		return p.scale(f, stats)
	}
	return whole
}

// rangeOf is what the colours are spread over.
func (p *picturing) rangeOf(f render.Frame, stats render.Stats) render.Range {
	if f.Color {
		return p.rangeIf(f, stats, render.Range{High: 255})
	}
	return p.scale(f, stats)
}
