package main

import "bytes"

// pattern is a stream that repeats: ring holds several frames of one size whose
// payloads differ, three times over so that a run of frames and a read that
// spans the seam are one slice.
type pattern struct {
	frame  int // bytes of one frame
	period int // bytes after which the stream repeats
	ring   []byte
}

// patterns is what is sent on a connection and what is expected.
type patterns struct {
	first pattern // the messages before the first answer
	next  pattern // those after it, each behind the thanks for an answer
	resp  pattern
}

// enough is how many bytes of different messages a stream has before it
// repeats. A message that is larger alternates with one other.
const enough = 64 << 10

func makePatterns(f framing, size, depth int) patterns {
	frames := max(16, depth)
	for frames*(size+4) < enough {
		frames *= 2
	}
	if size > enough {
		frames = max(2, depth)
	}
	var p patterns
	for i := range frames {
		p.first.add(f.wrap(payload(i, size)))
	}
	p.first.close()
	p.next, p.resp = p.first, p.first
	if len(f.thank) > 0 {
		p.next = pattern{}
		for i := range frames {
			p.next.add(append(bytes.Clone(f.thank), f.wrap(payload(i, size))...))
		}
		p.next.close()
	}
	if f.answer != nil {
		p.resp = pattern{}
		for i := range frames {
			p.resp.add(f.answer(payload(i, size)))
		}
		p.resp.close()
	}
	return p
}

// payload is letters only: what every wire carries as it is.
func payload(i, size int) []byte {
	body := make([]byte, size)
	for j := range body {
		body[j] = 'a' + byte((i*7+j*3+j>>8)%26)
	}
	return body
}

func (p *pattern) add(frame []byte) {
	p.frame = len(frame)
	p.ring = append(p.ring, frame...)
}

func (p *pattern) close() {
	p.period = len(p.ring)
	p.ring = bytes.Repeat(p.ring, 3)
}
