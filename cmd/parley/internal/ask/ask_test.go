package ask_test

import (
	"context"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/ask"
	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/parleytest"
)

// Verifies: ASK-02
func TestIsQuery(t *testing.T) {
	for _, c := range []struct {
		message string
		want    bool
	}{
		{"*IDN?", true}, {"MEAS:VOLT? (@1)", true}, {"VOLT 5;VOLT?", true}, {"?", true},
		{"", false}, {"*RST", false}, {"VOLT 5", false},
		{`DISP:TEXT "why?"`, false}, {`DISP:TEXT 'why?'`, false}, {`DISP "it""s?"`, false},
		{`DISP "a";*IDN?`, true}, {`DISP "a'?"`, false}, {`DISP 'a"';X?`, true}, {`DISP "no end?`, false},
		{"DATA #13a?b", false}, {"DATA #13a?b;*OPC?", true}, {"DATA #13a\"b;*OPC?", true},
		{"DATA 1,#12??,2", false}, {"#12??", false}, {"DATA #0a?b", false}, {"DATA #15a?", false},
		{"DATA #H1F;X?", true}, {"DATA #1x?", true}, {"X#12??", true}, {"DATA #", false}, {"DATA #9?", true},
	} {
		if got := ask.IsQuery([]byte(c.message)); got != c.want {
			t.Errorf("IsQuery(%q) = %v, want %v", c.message, got, c.want)
		}
	}
}

// device answers after a delay, as each question says: "1s a,b" is answered with a
// and b after a second.
func device(t *testing.T, conns *int) func(context.Context) (*parley.Conn, error) {
	srv := func() *parley.Server {
		return &parley.Server{
			Protocol: line.SCPI(),
			Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
				delay, answers, _ := strings.Cut(m.Text(), " ")
				d, err := time.ParseDuration(delay)
				if err != nil {
					return nil
				}
				time.Sleep(d)
				for _, a := range strings.Split(strings.TrimSuffix(answers, "?"), ",") {
					if a == "" {
						continue
					}
					if a == "close" {
						return c.Close()
					}
					if err := c.Send(ctx, parley.Text(a)); err != nil {
						return err
					}
				}
				return nil
			}),
		}
	}
	return func(context.Context) (*parley.Conn, error) {
		*conns++
		c, _ := parleytest.Pipe(t, srv(), &parley.Dialer{Protocol: line.SCPI()})
		return c, nil
	}
}

// Verifies: ASK-01, ASK-02, ASK-03, ASK-05, ASK-06
func TestAsk(t *testing.T) {
	type step struct {
		question string
		want     string // the answers, by commas
		fails    string // what the error has in it
		takes    time.Duration
	}
	re := regexp.MustCompile
	for name, c := range map[string]struct {
		rule  ask.Rule
		steps []step
		conns int
	}{
		"one message":       {ask.Rule{Count: 1, SCPI: true}, []step{{"1s a?", "a", "", time.Second}, {"set", "", "", 0}, {"0s b?", "b", "", 0}}, 1},
		"two":               {ask.Rule{Count: 2}, []step{{"1s a,b", "a,b", "", time.Second}, {"0s c", "c", "1 of 2 messages came", 10 * time.Second}}, 1},
		"none":              {ask.Rule{}, []step{{"5s a?", "", "", 0}}, 1},
		"until":             {ask.Rule{Until: re("^z")}, []step{{"1s a,b,z", "a,b,z", "", time.Second}, {"0s a", "a", "none that matches", 10 * time.Second}}, 1},
		"quiet":             {ask.Rule{Quiet: time.Second}, []step{{"5s a,b", "a,b", "", 6 * time.Second}, {"0s c", "c", "", time.Second}}, 1},
		"quiet, then end":   {ask.Rule{Quiet: time.Hour}, []step{{"1s a,close", "a", "", time.Second}}, 1},
		"late is nobody's":  {ask.Rule{Count: 1}, []step{{"11s late", "", "nothing came within 10s", 10 * time.Second}, {"0s b", "b", "", 0}}, 2},
		"end is no answer":  {ask.Rule{Count: 1}, []step{{"1s close", "", "closed", time.Second}, {"0s b", "b", "", 0}}, 2},
		"until, first line": {ask.Rule{Until: re("a")}, []step{{"0s a", "a", "", 0}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conns := 0
				a := &ask.Asker{Rule: c.rule, Timeout: 10 * time.Second, Dial: device(t, &conns)}
				for _, s := range c.steps {
					began := time.Now()
					x, err := a.Ask(t.Context(), parley.Text(s.question))
					var got []string
					for _, m := range x.Answers {
						got = append(got, m.Text())
					}
					if strings.Join(got, ",") != s.want {
						t.Errorf("%q: got %q, want %q", s.question, got, s.want)
					}
					switch {
					case s.fails == "" && err != nil:
						t.Errorf("%q: %v", s.question, err)
					case s.fails != "" && (err == nil || !strings.Contains(err.Error(), s.fails) || !errors.As(err, new(*ask.UnansweredError))):
						t.Errorf("%q: error %v, want %s", s.question, err, s.fails)
					case strings.Contains(s.fails, "nothing came") && !errors.Is(err, os.ErrDeadlineExceeded):
						t.Errorf("%q: %v is no timeout", s.question, err)
					}
					if took := time.Since(began); took != s.takes {
						t.Errorf("%q took %v, want %v", s.question, took, s.takes)
					}
				}
				if conns != c.conns {
					t.Errorf("%d connections, want %d", conns, c.conns)
				}
				a.Close()
				time.Sleep(time.Hour) // what the device still has to do
			})
		})
	}
}

// A device that closes some time behind each answer loses nothing of what is
// asked next, and an answer is not awaited any longer than that.
//
// Verifies: ASK-07
func TestReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conns := 0
		dial := func(context.Context) (*parley.Conn, error) {
			conns++
			c, _ := parleytest.Pipe(t, &parley.Server{
				Protocol: line.Protocol{},
				Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
					if err := c.Send(ctx, parley.Text("re "+m.Text())); err != nil {
						return err
					}
					time.Sleep(50 * time.Millisecond)
					return c.Close()
				}),
			}, nil)
			return c, nil
		}
		a := &ask.Asker{Rule: ask.Rule{Count: 1}, Timeout: time.Minute, Reconnect: true, Settle: true, Dial: dial}
		for _, q := range []string{"a", "b", "c"} {
			x, err := a.Ask(t.Context(), parley.Text(q))
			if err != nil || len(x.Answers) != 1 || x.Answers[0].Text() != "re "+q {
				t.Errorf("%s: %v, %v", q, x.Answers, err)
			}
		}
		if conns != 3 {
			t.Errorf("%d connections, want 3", conns)
		}
		a.Close()
		time.Sleep(time.Hour)
	})
}

// A question that was not sent, as the peer had ended its stream meanwhile, is asked on
// a new connection, whoever noticed the end first: reader or writer.
//
// Verifies: ASK-06, ASK-07
func TestEndNoticedWhileSending(t *testing.T) {
	device := parleytest.NewServer(t, &parley.Server{
		Protocol: line.Protocol{},
		Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			if err := c.Send(ctx, m); err != nil {
				return err
			}
			return c.Close()
		}),
	})
	for range 100 {
		a := &ask.Asker{Rule: ask.Rule{Count: 1}, Timeout: time.Minute, Reconnect: true, Dial: func(ctx context.Context) (*parley.Conn, error) {
			return parley.Dial(ctx, line.Protocol{}, device)
		}}
		for _, q := range []string{"a", "b", "c"} {
			if _, err := a.Ask(t.Context(), parley.Text(q)); err != nil && strings.Contains(err.Error(), "it was not sent") {
				t.Fatal(err)
			}
		}
		a.Close()
	}
}

// A message that comes slowly is no timeout, what has come before the question is
// no answer, and the end of the context ends the wait.
//
// Verifies: ASK-04, ASK-08
func TestSlowAndUnasked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		accepted := make(chan *parley.Conn, 1)
		dial := func(ctx context.Context) (*parley.Conn, error) {
			srv := &parley.Server{Protocol: line.Protocol{}, Pull: true}
			c, _ := parleytest.Pipe(t, srv, nil)
			device, err := srv.Accept(ctx)
			accepted <- device
			return c, err
		}
		var unasked []string
		a := &ask.Asker{Rule: ask.Rule{Count: 1}, Timeout: 10 * time.Second, Dial: dial,
			Unasked: func(m parley.Message, err error) { unasked = append(unasked, m.Text()) }}
		go func() {
			device := <-accepted
			device.Receive(t.Context())
			for range 3 { // a line in pieces, 9 s apart
				time.Sleep(9 * time.Second)
				device.Send(t.Context(), line.Verbatim(parley.Text("x")))
			}
			device.Send(t.Context(), line.Verbatim(parley.Text("\n")))
			device.Send(t.Context(), parley.Text("pushed"))
			device.Receive(t.Context())
			device.Send(t.Context(), parley.Text("second"))
		}()
		x, err := a.Ask(t.Context(), parley.Text("first"))
		if err != nil || len(x.Answers) != 1 || x.Answers[0].Text() != "xxx" {
			t.Fatalf("%v, %v", x.Answers, err)
		}
		time.Sleep(time.Second)
		x, err = a.Ask(t.Context(), parley.Text("again"))
		if err != nil || len(x.Answers) != 1 || x.Answers[0].Text() != "second" || strings.Join(unasked, ",") != "pushed" {
			t.Errorf("%v, %v, unasked %q", x.Answers, err, unasked)
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("enough"))
		defer cancel()
		if _, err := a.Ask(ctx, parley.Text("third")); err == nil || err.Error() != "enough" {
			t.Errorf("the end of the context: %v", err)
		}
		a.Close()
		time.Sleep(time.Hour)
	})
}

// What has come with the last answer and is no part of it is told; not where no answer
// is wanted at all.
//
// Verifies: ASK-04
func TestFinish(t *testing.T) {
	for name, c := range map[string]struct {
		rule ask.Rule
		want string
	}{
		"one":   {ask.Rule{Count: 1}, "b,c"},
		"until": {ask.Rule{Until: regexp.MustCompile("b")}, "c"},
		"all":   {ask.Rule{Count: 3}, ""},
		"none":  {ask.Rule{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conns := 0
				var told []string
				a := &ask.Asker{Rule: c.rule, Timeout: 10 * time.Second, Dial: device(t, &conns),
					Unasked: func(m parley.Message, _ error) { told = append(told, m.Text()) }}
				if _, err := a.Ask(t.Context(), parley.Text("1s a,b,c")); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				a.Finish(t.Context())
				if got := strings.Join(told, ","); got != c.want || time.Since(began) > 10*time.Millisecond {
					t.Errorf("told %q after %v, want %q", got, time.Since(began), c.want)
				}
				a.Close()
				time.Sleep(time.Hour)
			})
		})
	}
}
