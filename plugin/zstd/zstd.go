// Package zstd is a plugin that compresses messages with Zstandard.
//
// A message that does not get smaller travels as it is and costs one byte
// more. Stack it before encryption ([]parley.Plugin{compress, encrypt}):
// encrypted bytes do not get smaller. But mind that the length of a compressed
// message tells something about its content; where an attacker can put words
// of his own next to a secret, don't compress.
package zstd

import (
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/parley-net/parley/wire"
)

// ErrCorrupt: a message is not what this plugin makes.
var ErrCorrupt = errors.New("the message was damaged, or the peer does not use this plugin")

// The first byte of a message.
const (
	stored     = 0 // the message follows as it is
	compressed = 1 // one Zstandard frame follows, which tells its size
)

// Plugin compresses messages. The zero value is ready for use. All connections
// of one Plugin share its compressors, so use the same one for them; it must
// not be copied.
type Plugin struct {
	encoders, decoders sync.Pool // of *zstd.Encoder and *decoder
}

// Name returns "zstd".
func (p *Plugin) Name() string { return "zstd" }

// New returns the transform for one connection.
//
// Its Receive returns ErrCorrupt, with the cause, for a message that can't be
// decompressed, and [wire.ErrTooLarge] for one that has, or says it has, more
// than maxMessage bytes. A small message that stands for a huge one is found
// out before it is decompressed, or where it goes beyond what it has said; no
// message costs much more memory than maxMessage.
func (p *Plugin) New(_ wire.Role, maxMessage int64) wire.Transform {
	return &transform{p, max(maxMessage, 0)}
}

type transform struct {
	plugin     *Plugin
	maxMessage int64
}

func (t *transform) Send(dst, p []byte) ([]byte, error) {
	enc, err := t.plugin.encoder()
	if err != nil {
		return dst, err
	}
	defer t.plugin.encoders.Put(enc)
	out := enc.EncodeAll(p, append(dst, compressed))
	if len(out)-len(dst) > len(p) {
		return append(append(dst, stored), p...), nil
	}
	return out, nil
}

func (t *transform) Receive(dst, p []byte) ([]byte, error) {
	if len(p) == 0 {
		return dst, ErrCorrupt
	}
	tag, p := p[0], p[1:]
	switch tag {
	case stored:
		if int64(len(p)) > t.maxMessage {
			return dst, t.tooLarge()
		}
		return append(dst, p...), nil
	case compressed:
		return t.decompress(dst, p)
	}
	return dst, ErrCorrupt
}

func (t *transform) decompress(dst, p []byte) ([]byte, error) {
	var head zstd.Header
	switch err := head.Decode(p); {
	case err != nil:
		return dst, fmt.Errorf("%w: %w", ErrCorrupt, err)
	case !head.HasFCS:
		return dst, fmt.Errorf("%w: the frame does not tell its size", ErrCorrupt)
	case head.FrameContentSize > uint64(t.maxMessage):
		return dst, t.tooLarge()
	}
	dec, err := t.plugin.decoder(t.maxMessage)
	if err != nil {
		return dst, err
	}
	defer t.plugin.decoders.Put(dec)
	// The limit of DecodeAll counts what its destination holds already.
	out, err := dec.DecodeAll(p, dst[len(dst):])
	switch {
	case err != nil:
		return dst, fmt.Errorf("%w: %w", ErrCorrupt, err)
	case uint64(len(out)) != head.FrameContentSize:
		return dst, fmt.Errorf("%w: there is more than one frame", ErrCorrupt)
	case len(dst) == 0:
		return out, nil
	}
	return append(dst, out...), nil
}

func (t *transform) tooLarge() error {
	return fmt.Errorf("a message of more than %d bytes when decompressed: %w", t.maxMessage, wire.ErrTooLarge)
}

func (p *Plugin) encoder() (*zstd.Encoder, error) {
	if enc, ok := p.encoders.Get().(*zstd.Encoder); ok {
		return enc, nil
	}
	return zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1),
		zstd.WithSingleSegment(true), // else frames below 256 bytes don't tell their size
		zstd.WithLowerEncoderMem(true))
}

type decoder struct {
	*zstd.Decoder
	maxMessage int64
}

func (p *Plugin) decoder(maxMessage int64) (*decoder, error) {
	if dec, ok := p.decoders.Get().(*decoder); ok && dec.maxMessage == maxMessage {
		return dec, nil
	}
	// The decoder counts the smallest window as memory. The window of a frame
	// that tells its size is the message itself.
	memory := uint64(max(maxMessage, zstd.MinWindowSize))
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderMaxMemory(memory),
		zstd.WithDecoderMaxWindow(min(memory, 1<<40))) // 1<<40: about the most the option takes
	return &decoder{dec, maxMessage}, err
}
