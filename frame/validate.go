package frame

import (
	"fmt"
	"strings"

	"github.com/parley-net/parley/wire"
)

// The bounds of the options. They keep a head within what a driver holds of an
// unfinished message anyway, and every length within 64 bits.
const (
	maxMagic  = 64
	maxHead   = 4096
	maxAdjust = 1 << 32
	maxMax    = 1 << 56
	maxVarint = 10 // bytes
)

// Validate implements wire.Validator: it returns an error if fields make no
// sense together or are out of range, whatever the role. It names them as URLs
// do, and says what to write instead.
func (p Protocol) Validate(wire.Role) error {
	for _, check := range []func(Protocol) error{Protocol.known, Protocol.oneForm, Protocol.checkMagic, Protocol.checkMarks,
		Protocol.checkFixed, Protocol.checkSize, Protocol.checkStrip, Protocol.checkMax} {
		if err := check(p); err != nil {
			return err
		}
	}
	return nil
}

func (p Protocol) known() error {
	switch {
	case int(p.Size) >= len(sizeNames):
		return fmt.Errorf("the size form is %v", p.Size)
	case int(p.Check) >= len(checkNames):
		return fmt.Errorf("the check is %v", p.Check)
	case int(p.Over) >= len(overNames):
		return fmt.Errorf("over is %v", p.Over)
	case int(p.Marks) >= len(markNames):
		return fmt.Errorf("the marks are %v", p.Marks)
	}
	return nil
}

// form names what the frames are by.
func (p Protocol) form() string {
	switch {
	case p.Fixed != 0:
		return fmt.Sprintf("fixed=%d", p.Fixed)
	case p.Size != NoSize:
		return "size=" + p.Size.String()
	}
	return p.Marks.String()
}

func (p Protocol) oneForm() error {
	var given []string
	if p.Size != NoSize {
		given = append(given, "size="+p.Size.String())
	}
	if p.Fixed != 0 {
		given = append(given, fmt.Sprintf("fixed=%d", p.Fixed))
	}
	if p.Marks != NoMarks {
		given = append(given, p.Marks.String())
	}
	switch len(given) {
	case 1:
		return nil
	case 0:
		return fmt.Errorf("nothing says where a frame ends: write size=u16be (or another form of a size in front), fixed=N, slip, cobs or stx")
	}
	return fmt.Errorf("%s exclude each other, as each says where a frame ends: write one of them", strings.Join(given, " and "))
}

func (p Protocol) checkMagic() error {
	switch {
	case len(p.Magic) > maxMagic:
		return fmt.Errorf("the magic has %d bytes, at most %d are possible", len(p.Magic), maxMagic)
	case p.Over != OverAll && p.Check == NoCheck:
		return fmt.Errorf("over=%v says what a check is computed over, and there is none: write check=crc32 (or another one), or leave over out", p.Over)
	}
	return nil
}

func (p Protocol) checkMarks() error {
	if p.Marks == NoMarks {
		return nil
	}
	for _, o := range []struct {
		name  string
		given bool
	}{{"magic", p.Magic != ""}, {"offset", p.Offset != 0}, {"adjust", p.Adjust != 0}, {"strip", p.Strip != 0}} {
		if o.given {
			return fmt.Errorf("%s is about the head of a frame, and what stands between the marks of %v has none: leave it out", o.name, p.Marks)
		}
	}
	return nil
}

func (p Protocol) checkFixed() error {
	switch {
	case p.Fixed == 0:
		return nil
	case p.Fixed < 0:
		return fmt.Errorf("fixed=%d: a frame has at least 1 byte", p.Fixed)
	case p.Offset != 0 || p.Adjust != 0:
		return fmt.Errorf("offset and adjust are about a size, and with %s there is none: leave them out", p.form())
	case p.fits() < 1:
		return fmt.Errorf("%s: a magic of %d bytes and a check of %d leave no room for a message: write fixed=%d or more",
			p.form(), len(p.Magic), p.Check.bytes(), p.head()+p.Check.bytes()+1)
	case p.fits() > p.maxPayload():
		return fmt.Errorf("%s: its payload of %d bytes is above max=%d: raise max, or leave it out for up to %d bytes", p.form(), p.fits(), p.maxPayload(), defaultMax)
	}
	return nil
}

func (p Protocol) checkSize() error {
	switch {
	case p.Size == NoSize:
		return nil
	case p.Offset < 0:
		return fmt.Errorf("offset=%d: the size can't stand before the frame", p.Offset)
	case p.offset() < len(p.Magic):
		return fmt.Errorf("offset=%d: the size would stand inside the magic, whose %d bytes offset counts too: write offset=%d or more, or leave it out", p.Offset, len(p.Magic), len(p.Magic))
	case p.offset() > maxHead:
		return fmt.Errorf("offset=%d: at most %d is possible", p.Offset, maxHead)
	case p.Adjust < -maxAdjust || p.Adjust > maxAdjust:
		return fmt.Errorf("adjust=%d: possible is from %d to %d", p.Adjust, int64(-maxAdjust), int64(maxAdjust))
	case p.fits() < 0:
		return fmt.Errorf("adjust=%d: even the largest %v, %d, leaves no frame with its check of %d bytes: adjust is added to the size that is read", p.Adjust, p.Size, p.Size.largest(), p.Check.bytes())
	case p.Adjust-int64(p.Check.bytes()) > p.maxPayload():
		return fmt.Errorf("adjust=%d: even with a size of 0 the payload is above max=%d: adjust is added to the size that is read", p.Adjust, p.maxPayload())
	}
	return nil
}

func (p Protocol) checkStrip() error {
	switch {
	case p.Marks != NoMarks || p.Strip == Head:
		return nil
	case p.Strip < 0:
		return fmt.Errorf("strip=%d: write 0 for the whole frame, or head (%d) for the payload", p.Strip, p.head())
	case p.Strip > maxHead:
		return fmt.Errorf("strip=%d: at most %d is possible; the head has %d bytes", p.Strip, maxHead, p.head())
	case p.Fixed > 0 && p.Strip >= p.Fixed-p.Check.bytes():
		return fmt.Errorf("strip=%d: nothing of a frame of %d bytes would be left", p.Strip, p.Fixed)
	}
	return nil
}

func (p Protocol) checkMax() error {
	switch fits := p.fits(); {
	case p.Max < 0 || p.Max > maxMax:
		return fmt.Errorf("max=%d: possible is from 1 to %d, in bytes", p.Max, int64(maxMax))
	case p.Size != NoSize && p.Max > fits:
		return fmt.Errorf("max=%d: size=%v can't announce more than %d bytes of payload: write max=%d, or a larger size such as %v", p.Max, p.Size, fits, fits, p.larger())
	}
	return nil
}

// larger returns a form for sizes that this one can't hold.
func (p Protocol) larger() Size {
	switch p.Size {
	case U8:
		return U16BE
	case U16BE:
		return U32BE
	case U16LE:
		return U32LE
	case U32LE:
		return U64LE
	}
	return U64BE
}
