package image

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
)

// pictures are the files that instruments send instead of pixels, by how they begin.
var pictures = []struct{ name, begin string }{
	{"PNG", "\x89PNG\r\n\x1a\n"},
	{"JPEG", "\xff\xd8\xff"},
	{"GIF", "GIF8"},
	{"TIFF", "II*\x00"},
	{"TIFF", "MM\x00*"},
	{"FITS", "SIMPLE  ="},
	{"NumPy", "\x93NUMPY"},
	{"gzip", "\x1f\x8b\x08"},
}

// pictureIn names the kind of file that b is, or "".
func pictureIn(b []byte) string {
	for _, p := range pictures {
		if strings.HasPrefix(string(b[:min(len(b), 16)]), p.begin) {
			return p.name
		}
	}
	if len(b) >= 14 && b[0] == 'B' && b[1] == 'M' && binary.LittleEndian.Uint32(b[2:]) == uint32(len(b)) {
		return "BMP"
	}
	return ""
}

// refusePicture refuses a frame that is a file already: as pixels it would be a picture
// of noise. Who has said shape and type means pixels, however they begin, unless they
// begin in a way that pixels hardly do.
func (p *picturing) refusePicture(frame []byte) error {
	name := pictureIn(frame)
	if name == "" || p.width > 0 && p.typ != "" && name != "PNG" && name != "BMP" {
		return nil
	}
	hint := `parley ask URL 'QUESTION?' --block > FILE keeps it as it came, and so does --dump DIR`
	if name == "gzip" {
		hint = "--translate zcat unpacks it"
	}
	return &fault.Error{Code: fault.Fail, Err: fmt.Errorf("the frame's %d bytes are a %s file, no pixels", len(frame), name), Hint: hint}
}
