package parley_test

// Answers that came too late, and how the tests of them watch what becomes of these.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
)

// strays are what OnMessageError was called with.
type strays struct {
	mu  sync.Mutex
	all []string
	ch  chan error
}

func newStrays() *strays { return &strays{ch: make(chan error, 1000)} }

func (s *strays) note(_ *parley.Conn, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, describeStray(err))
	s.ch <- err
}

func describeStray(err error) string {
	var late *parley.LateAnswerError
	if errors.As(err, &late) {
		return late.Question.Text() + "→" + late.Answer.Text()
	}
	return fmt.Sprint(err)
}

// want checks all that has come, in virtual time.
func (s *strays) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	s.is(t, want...)
}

func (s *strays) is(t *testing.T, want ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := strings.Join(s.all, ", "); got != strings.Join(want, ", ") {
		t.Errorf("OnMessageError has got %q, want %q", got, want)
	}
}

// askers are the forms in which a question leaves at once.
var askers = slices.DeleteFunc(slices.Clone(forms), func(f form) bool { return label(f.protocol) == "tinyproto-never" })

// asked is a connection that has dialled a bare peer, whose input nobody looks at.
func asked(t *testing.T, f form, d *parley.Dialer) (*parley.Conn, *bare) {
	t.Helper()
	d.Protocol = f.protocol
	hello := f.hello
	if hello == "ping\n" {
		hello = "pong\n"
	}
	d.Timeouts.Answer = -1 // what is said here is messages only
	c, peer := barePipe(t, d, hello)
	go io.Copy(io.Discard, peer)
	return c, peer
}

// answer says s when everybody waits.
func answer(peer *bare, s string) {
	synctest.Wait()
	peer.say(s)
}

// callFor calls with a question that must be answered so, or in vain for a second
// if the answer is "".
func callFor(t *testing.T, c *parley.Conn, question, answer string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	m, err := c.Call(ctx, parley.Text(question))
	switch {
	case answer == "" && (!errors.Is(err, context.DeadlineExceeded) || errors.Is(err, parley.ErrOutOfStep)):
		t.Errorf("%s: %v, %v, want a timeout", question, m, err)
	case answer == "" && m.Len() > 0:
		t.Errorf("%s: %v with an error", question, m)
	case answer != "" && (err != nil || m.Text() != answer):
		t.Errorf("%s: %v, %v, want %s", question, m, err, answer)
	}
}
