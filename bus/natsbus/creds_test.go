package natsbus_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/parley-net/parley/bus"
	"github.com/parley-net/parley/bus/natsbus"
)

// authority is an operator with an account, as nsc makes them.
type authority struct {
	t       testing.TB
	dir     string
	account nkeys.KeyPair
	config  string // of a server that checks
}

func newKey(t testing.TB, make func() (nkeys.KeyPair, error)) (pair nkeys.KeyPair, public string) {
	t.Helper()
	pair, err := make()
	if err == nil {
		public, err = pair.PublicKey()
	}
	if err != nil {
		t.Fatal(err)
	}
	return pair, public
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	operator, operatorKey := newKey(t, nkeys.CreateOperator)
	var accountKey, systemKey string
	a.account, accountKey = newKey(t, nkeys.CreateAccount)
	_, systemKey = newKey(t, nkeys.CreateAccount)
	signed := func(c jwt.Claims) string {
		text, err := c.Encode(operator)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	o := jwt.NewOperatorClaims(operatorKey)
	o.SystemAccount = systemKey
	account, system := jwt.NewAccountClaims(accountKey), jwt.NewAccountClaims(systemKey)
	account.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
	a.config = filepath.Join(a.dir, "nats.conf")
	text := "operator: " + signed(o) + "\nsystem_account: " + systemKey + "\nresolver: MEMORY\nresolver_preload: {\n" +
		accountKey + ": " + signed(account) + "\n" + systemKey + ": " + signed(system) + "\n}\n" +
		"jetstream: {store_dir: " + filepath.Join(a.dir, "js") + "}\n"
	if err := os.WriteFile(a.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// creds makes a user's file, which change may change before it is signed by the account.
func (a *authority) creds(name string, change func(*jwt.UserClaims)) (file string) {
	a.t.Helper()
	user, key := newKey(a.t, nkeys.CreateUser)
	claims := jwt.NewUserClaims(key)
	claims.Name = name
	if change != nil {
		change(claims)
	}
	text, err := claims.Encode(a.account)
	if err != nil {
		a.t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		a.t.Fatal(err)
	}
	whole, err := jwt.FormatUserConfig(text, seed)
	if err != nil && change == nil {
		a.t.Fatal(err)
	}
	file = filepath.Join(a.dir, name+".creds")
	if err := os.WriteFile(file, whole, 0o600); err != nil {
		a.t.Fatal(err)
	}
	return file
}

// A server that checks JWTs lets in who has the account's credentials, which do all that a bus
// does; others are refused at once, also where the bus may come later, with what is wrong.
//
// Verifies: CLUSTER-06
func TestCreds(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	e := startExternal(t, "-c", a.config)
	b := connect(t, natsbus.Options{URL: e.url(), Creds: a.creds("right", nil)})
	k, err := b.Bucket(t.Context(), "x", bus.BucketOptions{TTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Put(t.Context(), "key", []byte("v")); err != nil {
		t.Fatal(err)
	}
	damaged := filepath.Join(a.dir, "damaged.creds")
	os.WriteFile(damaged, []byte("no credentials"), 0o600)
	half := filepath.Join(a.dir, "half.creds")
	whole, _ := os.ReadFile(a.creds("whole", nil))
	os.WriteFile(half, []byte(strings.Split(string(whole), "*****")[0]), 0o600)
	for name, c := range map[string]struct{ file, says string }{
		"none":                   {"", "lets nobody in without credentials"},
		"of another authority":   {stranger.creds("stranger", nil), "lets nobody in with the credentials of"},
		"expired":                {a.creds("expired", func(c *jwt.UserClaims) { c.Expires = time.Now().Add(-time.Hour).Unix() }), "have expired at"},
		"damaged":                {damaged, "damaged.creds has no credentials of a NATS user"},
		"without a key":          {half, "not the key that belongs to it"},
		"not there":              {filepath.Join(a.dir, "nobody"), "no such file"},
		"may say nothing at all": {a.creds("mute", func(c *jwt.UserClaims) { c.Pub.Deny.Add(">") }), "Permissions Violation"},
	} {
		t.Run(name, func(t *testing.T) {
			begun := time.Now()
			_, err := natsbus.Connect(t.Context(), natsbus.Options{URL: e.url(), Creds: c.file, Later: true})
			if !errors.Is(err, bus.ErrRefused) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("after %v: %v", time.Since(begun).Round(time.Millisecond), err)
			}
		})
	}
}

// Credentials that expire while they are in use end the bus, which says so and goes on with those
// that lie there then: the file is read again.
func TestCredsExpire(t *testing.T) {
	a := newAuthority(t)
	e := startExternal(t, "-c", a.config)
	file := a.creds("short", func(c *jwt.UserClaims) { c.Expires = time.Now().Add(3 * time.Second).Unix() })
	b := connect(t, natsbus.Options{URL: e.url(), Creds: file})
	until := func(up bool) bus.Status {
		t.Helper()
		for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
			if s := b.Status(); s.Up == up {
				return s
			}
			if time.Now().After(end) {
				t.Fatalf("up is not %v: %+v", up, b.Status())
			}
		}
	}
	if s := until(false); s.Err == nil || !strings.Contains(s.Err.Error(), "expired") {
		t.Errorf("down because of %v", s.Err)
	}
	fresh, err := os.ReadFile(a.creds("fresh", nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, fresh, 0o600); err != nil {
		t.Fatal(err)
	}
	until(true)
	if err := b.Publish(context.Background(), "x", nil); err != nil {
		t.Error(err)
	}
}

// allowed is what SECURITY.md says that a node needs.
var allowed = []string{"parley.v1.>", "parley.log.>", "$KV.parley_default_nodes.>", "$KV.parley_default_own.>", "$O.parley_default_shared.>", "$JS.API.>", "$JS.ACK.>", "$JS.FC.>", "_INBOX.>"}

// A user who may do what SECURITY.md lists, and nothing else, can do all that a node does.
//
// Verifies: CLUSTER-06
func TestLeastPermissions(t *testing.T) {
	page, err := os.ReadFile("../../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	if list := "`" + strings.Join(allowed[:len(allowed)-1], "`, `") + "` and `" + allowed[len(allowed)-1] + "`"; !strings.Contains(string(page), list) {
		t.Errorf("SECURITY.md does not list %s", list)
	}
	a := newAuthority(t)
	e := startExternal(t, "-c", a.config)
	file := a.creds("least", func(c *jwt.UserClaims) { c.Pub.Allow.Add(allowed...); c.Sub.Allow.Add(allowed...) })
	var told lines
	b := connect(t, natsbus.Options{URL: e.url(), Creds: file, Logger: slog.New(slog.NewTextHandler(&told, nil))})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	sub, err := b.Subscribe("parley.v1.default.room.x.m", bus.SubscribeOptions{}, func(m bus.Message) {
		if m.Respond != nil {
			m.Respond([]byte("yes"))
		}
	})
	must(err)
	must(b.Publish(ctx, "parley.v1.default.room.x.m", []byte("m")))
	answer, err := b.Request(ctx, "parley.v1.default.room.x.m", nil)
	must(err)
	if string(answer) != "yes" {
		t.Errorf("answered %q", answer)
	}
	sub.Close()

	k, err := b.Bucket(ctx, "parley_default_own", bus.BucketOptions{TTL: bus.LeaseTTL})
	must(err)
	gone := make(chan bus.Entry, 10)
	must(k.Watch(ctx, func(e bus.Entry) {
		if e.Op == bus.OpGone {
			gone <- e
		}
	}))
	lease, err := bus.Acquire(ctx, k, "psu1", "a")
	must(err)
	_, _, err = bus.Holder(ctx, k, "psu1")
	must(err)
	must(lease.Release(ctx))
	select {
	case <-gone:
	case <-ctx.Done():
		t.Fatal("the end of a lease is not told")
	}

	l, err := b.Log(ctx, "room default x", bus.LogOptions{Queue: true})
	must(err)
	done := make(chan error, 1)
	must(l.Append(ctx, "cap.a", "1", []byte("entry"), func(_ uint64, err error) { done <- err }))
	must(<-done)
	reading, stop := context.WithCancel(ctx)
	if err := l.Consume(reading, "store", func(all []bus.LogEntry) int { stop(); return len(all) }); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	must(l.Read(ctx, 0, func(e bus.LogEntry) error { return fmt.Errorf("entry %d was acknowledged, and is there", e.Seq) }))

	o, err := b.Objects(ctx, "parley_default_shared", bus.ObjectsOptions{TTL: time.Minute})
	must(err)
	_, err = o.Put(ctx, "one", strings.NewReader("object"))
	must(err)
	r, err := o.Get(ctx, "one")
	must(err)
	text, err := io.ReadAll(r)
	must(err)
	if string(text) != "object" {
		t.Errorf("the object is %q", text)
	}
	must(o.Delete(ctx, "one"))
	if s := told.String(); strings.Contains(s, "Violation") {
		t.Error(s)
	}
}

// lines keeps what a logger says.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
