package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/serpy2"
)

// instrument serves 3 × 2 pixels: those of the question, an int, first.
func instrument(t *testing.T) (url string) {
	t.Helper()
	srv := &parley.Server{Protocol: serpy2.Protocol{}}
	srv.Handler = parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
		f := serpy2.Frame[float32]{Width: 3, Height: 2, Pix: []float32{float32(m.Int()), 1, 2, 3, 4, float32(math.NaN())}}
		frame, err := f.Message()
		if err != nil {
			return err
		}
		return c.Send(ctx, frame)
	})
	return "serpy2://" + parleytest.NewServer(t, srv)
}

func at(t *testing.T, img image.Image, x, y int) color.RGBA {
	t.Helper()
	return color.RGBAModel.Convert(img.At(x, y)).(color.RGBA)
}

var (
	darkest  = color.RGBA{0x44, 0x01, 0x54, 0xFF} // viridis
	lightest = color.RGBA{0xFD, 0xE7, 0x25, 0xFF}
	magenta  = color.RGBA{0xFF, 0x00, 0xFF, 0xFF}
)

func TestImagePixels(t *testing.T) {
	url := instrument(t)
	gray := func(l uint8) color.RGBA { return color.RGBA{l, l, l, 0xFF} }
	for name, test := range map[string]struct {
		args []string
		want [6]color.RGBA // zero: not looked at
	}{
		"whole":   {nil, [6]color.RGBA{darkest, {}, {}, {}, lightest, magenta}},
		"gray":    {[]string{"--map", "gray"}, [6]color.RGBA{gray(0), gray(64), gray(128), gray(192), gray(255), magenta}},
		"clipped": {[]string{"--map", "gray", "--clip", "25,75"}, [6]color.RGBA{gray(0), gray(0), gray(128), gray(255), gray(255), magenta}},
		"range":   {[]string{"--map", "gray", "--range", "-4,4"}, [6]color.RGBA{gray(128), gray(160), gray(192), gray(224), gray(255), magenta}},
		"outside": {[]string{"--range", "1,2"}, [6]color.RGBA{darkest, darkest, lightest, lightest, lightest, magenta}},
	} {
		args := append([]string{"image", url, "--ask", "int:0", "--shape", "3x2", "-o", "-"}, test.args...)
		code, stdout, stderr := runParley(t, "", args...)
		img, err := png.Decode(strings.NewReader(stdout))
		if code != 0 || err != nil {
			t.Errorf("%s: exit code %d, %v, %s", name, code, err, stderr)
			continue
		}
		if img.Bounds() != image.Rect(0, 0, 3, 2) {
			t.Errorf("%s: %v", name, img.Bounds())
		}
		for i, want := range test.want {
			if got := at(t, img, i%3, i/3); want != (color.RGBA{}) && got != want {
				t.Errorf("%s: pixel %d is %v, want %v", name, i, got, want)
			}
		}
		if stderr != "type not given: taking it for 3x2 float32\n-: 3x2 float32, min 0, max 4, mean 2, 1 NaN\n" {
			t.Errorf("%s: %q", name, stderr)
		}
	}
}

func TestImageNPY(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f.npy")
	code, _, stderr := runParley(t, "", "image", instrument(t), "--ask", "int:7", "--shape", "3x2", "--type", "float32", "--npy", "-o", file)
	b, err := os.ReadFile(file)
	if code != 0 || err != nil {
		t.Fatalf("exit code %d, %v, %s", code, err, stderr)
	}
	if len(b) != 128+24 || !bytes.Contains(b, []byte("'<f4', 'fortran_order': False, 'shape': (2, 3)")) || !bytes.Equal(b[128:132], []byte{0, 0, 0xE0, 0x40}) {
		t.Errorf("%q", b)
	}
}

// slowOutput lets the first write wait.
type slowOutput struct {
	goOn chan struct{}
	once sync.Once
	bytes.Buffer
}

func (s *slowOutput) Write(p []byte) (int, error) {
	s.once.Do(func() { <-s.goOn })
	return s.Buffer.Write(p)
}

// While one picture is written a hundred frames come: all but the newest are
// dropped, and counted.
func TestImageWatchKeepsTheNewest(t *testing.T) {
	const frames = 100
	out := &slowOutput{goOn: make(chan struct{})}
	srv := &parley.Server{Protocol: serpy2.Protocol{}}
	n := 0
	srv.Handler = parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
		// The question n comes when frame n-1 waits to be written.
		switch n++; n {
		case frames:
			close(out.goOn)
		case frames + 1:
			return io.EOF
		}
		return c.Send(ctx, parley.Bytes([]byte{byte(n)}))
	})
	var stderr bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	args := []string{"image", "serpy2://" + parleytest.NewServer(t, srv), "--ask", "text:next", "--watch", "-o", "-", "--range", "0,255", "--map", "gray"}
	code := run(ctx, args, strings.NewReader(""), out, &stderr)
	var last image.Image
	pictures := 0
	for out.Len() > 0 {
		img, err := png.Decode(&out.Buffer)
		if err != nil {
			t.Fatal(err)
		}
		last = img
		pictures++
	}
	if last == nil || code != 0 {
		t.Fatalf("exit code %d, %s", code, &stderr)
	}
	if pictures > 3 || at(t, last, 0, 0).R != frames {
		t.Errorf("%d pictures, the last shows %v; want at most 3, the last of them frame %d", pictures, at(t, last, 0, 0), frames)
	}
	found := regexp.MustCompile(`(?m)^(\d+) written, (\d+) dropped$`).FindStringSubmatch(stderr.String())
	if len(found) != 3 || found[1] != fmt.Sprint(pictures) || found[2] != fmt.Sprint(frames-pictures) {
		t.Errorf("%d pictures of %d frames: %s", pictures, frames, &stderr)
	}
}
