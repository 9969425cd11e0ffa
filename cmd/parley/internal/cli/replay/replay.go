// Package replay is the room of parley replay: a recorded session played as its server
// or as its client, in order or in any order.
package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/keep"
	"github.com/parley-net/parley/cmd/parley/internal/cli/listen"
	"github.com/parley-net/parley/cmd/parley/internal/cli/output"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/recording"
	"github.com/parley-net/parley/serpy"
)

// replayOptions are the flags of replay.
type replayOptions struct {
	server, client string // URLs
	speed          float64
	loop           bool
	anyOrder       bool
	together       bool
}

func Command(a *app.App) *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use:   "replay FILE|DB#N (--as-server URL | --as-client URL)",
		Short: "Play a recorded session: as a mock instrument or a mock client",
		Long: `Plays one side of a session that "parley tap --record" has kept, or that was
written by hand; see "parley help recordings". DB#N is the session N of a store, - is
standard input.

--as-server listens: the first connection gets what the first recorded one got,
and so on, and must ask the same in the same order. It ends with exit code 0
when all recorded connections have been played. --as-client connects, says what
the recorded clients said, in the order of the file, and must get the same
answers.

The first thing that does not match ends replay with exit code 1 and tells the
line of the file, what was expected and what came.

Answers come as fast as possible. --speed 1 waits as long as the original took,
--speed 10 a tenth of that.

With --any-order a server finds the answer by what it is asked: each request of
the file may come once, on any connection, and gets what the file has between it
and the next one. Of requests in a row, as of a client that does not wait, the
n-th gets the n-th answer; where their numbers do not allow that, a line at the
start says so, and the last of them gets all. With --loop everything may be asked again, for ever; what does
not match then ends only its connection, with a line on standard error.`,
		Example: `  parley replay session.jsonl --as-server scpi://:5025
  parley replay session.jsonl --as-server serpy://:6001 --any-order --loop --speed 1
  parley replay session.jsonl --as-client scpi://10.0.0.7`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return play(cmd.Context(), a, args[0], o)
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"jsonl"}, cobra.ShellCompDirectiveFilterFileExt
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.server, "as-server", "", "listen on `URL` and play the server")
	f.StringVar(&o.client, "as-client", "", "connect to `URL` and play the client")
	f.Float64Var(&o.speed, "speed", 0, "play `N` times as fast as recorded; 0: as fast as possible")
	f.BoolVar(&o.loop, "loop", false, "as a server, begin again when all has been played")
	f.BoolVar(&o.anyOrder, "any-order", false, "as a server, take requests in any order")
	f.BoolVar(&o.together, "together", false, "as a server, keep the recorded order between connections too (for broadcasts)")
	cmd.MarkFlagsOneRequired("as-server", "as-client")
	for _, alone := range []string{"as-server", "loop", "any-order", "together"} {
		cmd.MarkFlagsMutuallyExclusive("as-client", alone)
	}
	cmd.MarkFlagsMutuallyExclusive("any-order", "together")
	cmd.MarkFlagsMutuallyExclusive("loop", "together")
	a.DialFlags(cmd)
	listen.AddFlags(a, cmd)
	cmd.RegisterFlagCompletionFunc("as-server", a.CompleteFlagURL)
	cmd.RegisterFlagCompletionFunc("as-client", a.CompleteFlagURL)
	return cmd
}

// play reads the file and plays it.
func play(ctx context.Context, a *app.App, file string, o replayOptions) error {
	if o.speed < 0 || math.IsNaN(o.speed) || math.IsInf(o.speed, 0) {
		return fault.Usagef("--speed %v: want 0 or more", o.speed)
	}
	e, err := endpoint.Parse(o.server + o.client)
	if err != nil {
		return fault.AsUsage(err)
	}
	e.Protocol = asRecorded(e.Protocol)
	s, err := readSession(ctx, a, file, e.Protocol, o.server != "")
	if err != nil {
		return fault.AsUsage(err)
	}
	s.speed = o.speed
	switch {
	case o.client != "":
		return playClient(ctx, a, e, s)
	case o.anyOrder:
		p := newAnyOrder(s, o.loop)
		p.tellDoubts(a.Stderr)
		return playServer(ctx, a, e, s, p, o)
	}
	return playServer(ctx, a, e, s, newInOrder(s, o.loop, o.together), o)
}

// session is a recording to be played.
type session struct {
	a        *app.App
	file     string
	protocol parley.Protocol
	speed    float64
	steps    []*step
	conns    [][]*step // the steps of each connection, in the order of the first ones
	manners  []manners // of the server on each of them
}

// step is one entry of the recording.
type step struct {
	replayed
	conn int // index in conns
	// more tells who says something behind it on its connection.
	more map[recording.Dir]bool
}

// isMessage reports whether the step is a message of dir.
func (s *step) isMessage(dir recording.Dir) bool { return s.Event == "" && s.Dir == dir }

// isEnd reports whether dir ends the connection with this step.
func (s *step) isEnd(dir recording.Dir) bool {
	switch s.Event {
	case recording.End, recording.Reset, recording.Leave, recording.Shutdown:
		return s.Dir == dir
	}
	return false
}

// readEntries reads a recording: a file, - for standard input,
// or DB#N, a session of a store.
func readEntries(ctx context.Context, a *app.App, file string) ([]recording.Entry, error) {
	if entries, ok, err := keep.StoredSession(ctx, file); ok {
		return entries, err
	}
	if err := app.StreamName("the recording", file); err != nil {
		return nil, err
	}
	in := a.Stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	entries, err := recording.Read(file, in)
	if errors.As(err, new(*recording.UnfinishedError)) {
		a.Log.Warn(err.Error())
		err = nil
	}
	return entries, err
}

// readSession reads a recording, to play its server or its clients with the
// protocol p.
func readSession(ctx context.Context, a *app.App, file string, p parley.Protocol, server bool) (*session, error) {
	entries, err := readEntries(ctx, a, file)
	if err != nil {
		return nil, err
	}
	s := &session{a: a, file: file, protocol: p}
	index := make(map[int]int)
	for i := range entries {
		e := &entries[i]
		if err := isWhole(e); err != nil {
			return nil, err
		}
		st := &step{replayed: replayed{Entry: e}}
		if e.Event == "" {
			if st.replayed, err = newReplayed(e, p); err != nil {
				return nil, err
			}
		}
		var known bool
		if st.conn, known = index[e.Conn]; !known {
			st.conn = len(s.conns)
			index[e.Conn] = st.conn
			s.conns = append(s.conns, nil)
			s.manners = append(s.manners, manners{})
		}
		if e.Event == recording.Open {
			s.manners[st.conn] = mannersOf(p, e)
		}
		s.steps = append(s.steps, st)
		s.conns[st.conn] = append(s.conns[st.conn], st)
	}
	if server {
		s.dropPings()
	}
	s.lookAhead()
	if !slices.ContainsFunc(s.steps, func(st *step) bool { return st.Event == "" || st.Event == recording.Open }) {
		return nil, fmt.Errorf("%s: nothing is recorded in it", file)
	}
	return s, nil
}

// dropPings removes what a server's program has nothing to do with: the machine
// answers oneline's pings by itself.
func (s *session) dropPings() {
	if s.protocol.Name() != "oneline" {
		return
	}
	pongs := make([]int, len(s.conns))
	dropped := func(st *step) bool {
		switch {
		case st.isMessage(recording.ToServer) && string(output.Payload(st.value)) == "ping":
			pongs[st.conn]++
			return true
		case st.isMessage(recording.ToClient) && pongs[st.conn] > 0 && string(output.Payload(st.value)) == "pong":
			pongs[st.conn]--
			return true
		}
		return false
	}
	s.steps = slices.DeleteFunc(s.steps, dropped)
	clear(s.conns)
	for _, st := range s.steps {
		s.conns[st.conn] = append(s.conns[st.conn], st)
	}
}

// lookAhead sets the steps' more.
func (s *session) lookAhead() {
	for _, steps := range s.conns {
		more := make(map[recording.Dir]bool)
		for _, st := range slices.Backward(steps) {
			st.more = maps.Clone(more)
			if st.Event == "" {
				more[st.Dir] = true
			}
		}
	}
}

// isWhole returns an error for an entry behind which something is missing.
func isWhole(e *recording.Entry) error {
	switch e.Event {
	case recording.Lost:
		return e.Errorf("what the %s sent here is not in the file (%s): write a message in its place, or delete the line", e.Dir.Side(), e.Error)
	case recording.Stopped:
		return e.Errorf("the recording of this connection stops here (%s): delete the line to play what there is", e.Error)
	}
	return nil
}

// pause waits as long as it took from the step before to st.
func (s *session) pause(ctx context.Context, before, st *step) error {
	if s.speed == 0 || before == nil || st.At <= before.At {
		return ctx.Err()
	}
	t := time.NewTimer(time.Duration(float64(st.At-before.At) / s.speed))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// same reports whether m is what the recording has. trimmed: the receiver
// is a client of oneline, which removes white space around lines.
func (s *session) same(want *step, m parley.Message, trimmed bool) bool {
	wantMode, asked := serpy.Mode(want.value)
	mode, has := serpy.Mode(m)
	if asked && has && mode != wantMode {
		return false
	}
	if recording.IsPickle(m) {
		return bytes.Equal(want.send.Bytes(), m.Bytes()) && recording.IsPickle(want.send) || saysTheSame(m.Bytes(), want.value)
	}
	types := s.protocol.Traits().Types
	if types.Has(m.Type()) && types.Has(want.value.Type()) && want.value.Type() != m.Type() {
		return false
	}
	b := output.Payload(want.value)
	if p, ok := s.protocol.(serpy.Protocol); ok && m.Type() != parley.TypeText && want.value.Type() != parley.TypeBytes {
		var err error
		if b, err = p.Encoding.Encode(nil, b); err != nil {
			return false
		}
	}
	if trimmed {
		b = bytes.TrimFunc(b, func(r rune) bool { return unicode.IsSpace(r) || 0x1C <= r && r <= 0x1F })
	}
	return bytes.Equal(b, output.Payload(m))
}

// mismatch says that something else came than the recording has.
func (s *session) mismatch(want *step, m parley.Message) error {
	a, b := output.Payload(want.value), output.Payload(m)
	at := ""
	if i := firstDifference(a, b); want.value.Type() == m.Type() && i >= 20 {
		at = fmt.Sprintf("; they differ at byte %d", i)
	}
	return want.Errorf("expected from the %s: %s\n  got: %s%s", want.Dir.Side(), described(want.value), s.shown(m), at)
}

// shown describes a message that has come.
func (s *session) shown(m parley.Message) string {
	if p, ok := s.protocol.(serpy.Protocol); ok {
		p.NoPickle = false // see asRecorded
		m = output.Unpickled(p, m)
	}
	return described(m)
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// missing says that the peer did not send what the recording has. A timeout or
// an error of the wire keeps its exit code.
func (s *session) missing(want *step, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return want.Errorf("expected from the %s: %s\n  got: %w", want.Dir.Side(), described(want.value), inOurWords(err))
}

// inOurWords says what an error means for a replay.
func inOurWords(err error) error {
	if fault.IsTimeout(err) {
		return fmt.Errorf("nothing in time: %w", fault.Bare(err))
	}
	if errors.Is(err, parley.ErrPeerClosed) {
		return errors.New("the end of the connection")
	}
	return fault.Bare(err)
}

// unsent says that a message could not be sent.
func (s *session) unsent(st *step, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return st.Errorf("%s was not sent: %w", described(st.value), inOurWords(err))
}

// isLost reports whether err is what becomes of a recorded line of oneline
// that is no UTF-8: its receiver loses it, as the recorded one did.
func isLost(want *step, err error) bool {
	return errors.As(err, new(*parley.MessageError)) && !utf8.Valid(output.Payload(want.value))
}
