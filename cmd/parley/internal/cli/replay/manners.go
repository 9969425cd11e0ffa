package replay

import (
	"bytes"
	"context"
	"strings"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/output"
	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/recording"
)

// manners are what a recorded device of line or scpi says besides messages.
type manners struct {
	banner []string // its lines, before anything else
	prompt string   // behind the banner and each answer; "": none
}

// mannersOf reads them off the line of a recording with which a connection opens.
func mannersOf(p parley.Protocol, e *recording.Entry) (m manners) {
	if _, ok := p.(line.Protocol); !ok || e.Event != recording.Open {
		return m
	}
	if m.prompt = e.Prompt; e.Note != "" && (e.Proto == "line" || e.Proto == "scpi") {
		m.banner = strings.Split(e.Note, "\n")
	}
	return m
}

// greet says what the device of the i-th connection says when a client has come.
func (s *session) greet(ctx context.Context, c *parley.Conn, i int) error {
	if i >= len(s.manners) {
		return nil
	}
	m := s.manners[i]
	for _, text := range m.banner {
		if err := c.Send(ctx, parley.Text(text)); err != nil {
			return err
		}
	}
	return m.ask(ctx, c)
}

// answer sends a message of the device, with its prompt behind. An answer without a
// line is the prompt alone.
func (s *session) answer(ctx context.Context, c *parley.Conn, st *step) error {
	m := s.manners[st.conn]
	if m.prompt == "" {
		return c.Send(ctx, st.send)
	}
	if b := output.Payload(st.send); len(b) > 0 {
		last := bytes.LastIndexAny(b, "\r\n\x00") + 1 // its lines have kept their ends, but for the last one
		if last > 0 {
			if err := c.Send(ctx, line.Verbatim(st.send.WithBytes(b[:last]))); err != nil {
				return err
			}
		}
		if err := c.Send(ctx, st.send.WithBytes(b[last:])); err != nil {
			return err
		}
	}
	return m.ask(ctx, c)
}

// ask says the prompt, if there is one.
func (m manners) ask(ctx context.Context, c *parley.Conn) error {
	if m.prompt == "" {
		return nil
	}
	return c.Send(ctx, line.Verbatim(parley.Text(m.prompt)))
}
