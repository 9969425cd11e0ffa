package selftest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/line"
)

// dial connects with a server of ours.
func (r *run) dial(url string) (*parley.Conn, error) {
	ctx, cancel := context.WithTimeout(r.ctx, readyFor)
	defer cancel()
	return parley.Dial(ctx, line.Protocol{}, strings.TrimPrefix(url, "line://"))
}

// ask asks once.
func (r *run) ask(url, text string, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(r.ctx, patience)
	defer cancel()
	c, err := parley.Dial(ctx, line.Protocol{}, strings.TrimPrefix(url, "line://"))
	if err != nil {
		return err
	}
	defer c.CloseNow()
	m, err := c.Call(ctx, parley.Text(text))
	if err == nil && m.Text() != text {
		err = fmt.Errorf("%q was answered %q", text, m.Text())
	}
	return err
}

// until asks again and again, and returns how long it took to have an answer.
func (r *run) until(url string, most time.Duration) (time.Duration, error) {
	for begun := time.Now(); ; {
		err := r.ask(url, "x", 2*time.Second)
		if took := time.Since(begun); err == nil || took > most || r.ctx.Err() != nil {
			return took, err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// listens returns where a server listens.
func (p *process) listens() (string, error) { return p.await(`listening on (line://[^ ]+)`) }

// pair measures a hub and one that joins it.
func (r *run) pair() error {
	plain, err := r.start("a server alone", "serve", "line://127.0.0.1:0", "--relay")
	if err != nil {
		return err
	}
	if _, err := plain.listens(); err != nil {
		return err
	}
	alone := time.Since(plain.begun)
	plain.kill()
	place, err := freePlace()
	if err != nil {
		return err
	}
	dir := filepath.Join(r.dir, "hub")
	hubArgs := []string{"serve", "line://127.0.0.1:0", "--relay", "--room", "x", "--hub", place, "--bus-dir", dir, "--node", "hub", "-v"}
	hub, err := r.start("the hub", hubArgs...)
	if err != nil {
		return err
	}
	at, err := hub.listens()
	if err != nil {
		return err
	}
	r.within("a server with --hub begins to serve later than one without", max(time.Since(hub.begun)-alone, 0), 60*time.Millisecond)
	url, err := hub.await(`hub on ([^ ]+)`)
	if err != nil {
		return err
	}
	leaf, err := r.start("the second machine", "serve", "line://127.0.0.1:0", "--relay", "--room", "x", "--join", url, "--secret-file", filepath.Join(dir, "secret"), "--node", "leaf", "-v")
	if err != nil {
		return err
	}
	there, err := leaf.listens()
	if err != nil {
		return err
	}
	if _, err := leaf.await("joined"); err != nil {
		return err
	}
	r.within("a second machine has joined, from its start", time.Since(leaf.begun), 200*time.Millisecond)
	return r.talk(hub, hubArgs, at, there)
}

// talk measures a room over two nodes, and the restart of its hub.
func (r *run) talk(hub *process, hubArgs []string, at, there string) error {
	here, err := r.listener(there)
	if err != nil {
		return err
	}
	defer here.conn.CloseNow()
	local, err := r.dial(there)
	if err != nil {
		return err
	}
	defer local.CloseNow()
	far, err := r.dial(at)
	if err != nil {
		return err
	}
	if err := here.settle(r, far, "hello "); err != nil {
		return err
	}
	var trips []time.Duration
	for i := range 200 {
		begun := time.Now()
		if err := far.Send(r.ctx, parley.Text(fmt.Sprint("far ", i))); err != nil {
			return err
		}
		if !here.await(fmt.Sprint("far ", i), 5*time.Second) {
			return fmt.Errorf("a message from the other machine did not arrive")
		}
		trips = append(trips, time.Since(begun))
	}
	slices.Sort(trips)
	r.Tell(Result{"a message from a client of one machine to one of the other, p50 and p99", "in order, none missed", fmt.Sprintf("%v, %v", trips[100].Round(time.Microsecond), trips[197].Round(time.Microsecond)), true})
	far.CloseNow()
	hub.kill()
	sent := 0
	for begun := time.Now(); time.Since(begun) < r.Pause; sent++ {
		if err := local.Send(r.ctx, parley.Text(fmt.Sprint("local ", sent))); err != nil {
			return fmt.Errorf("a local client noticed that the hub is gone: %w", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	here.await(fmt.Sprint("local ", sent-1), 5*time.Second)
	r.equal(fmt.Sprintf("the hub is away for %v: messages between local clients, of %d", r.Pause, sent), here.count("local "), sent)
	again, err := r.start("the hub", hubArgs...)
	if err != nil {
		return err
	}
	if at, err = again.listens(); err != nil {
		return err
	}
	begun := time.Now()
	if far, err = r.dial(at); err != nil {
		return err
	}
	defer far.CloseNow()
	if err := here.settle(r, far, "back "); err != nil {
		return err
	}
	r.within("the hub was killed and starts again: the machines hear each other", time.Since(begun), time.Second)
	return nil
}

// listener hears what a server relays.
type listener struct {
	conn *parley.Conn

	mu    sync.Mutex
	heard map[string]int
	more  chan struct{}
}

func (r *run) listener(url string) (*listener, error) {
	c, err := r.dial(url)
	if err != nil {
		return nil, err
	}
	l := &listener{conn: c, heard: make(map[string]int), more: make(chan struct{})}
	go func() {
		for {
			m, err := c.Receive(r.ctx)
			if err != nil {
				return
			}
			l.mu.Lock()
			l.heard[m.Text()]++
			close(l.more)
			l.more = make(chan struct{})
			l.mu.Unlock()
		}
	}()
	return l, nil
}

// await waits until a text was heard.
func (l *listener) await(text string, most time.Duration) bool {
	late := time.After(most)
	for {
		l.mu.Lock()
		n, more := l.heard[text], l.more
		l.mu.Unlock()
		if n > 0 {
			return true
		}
		select {
		case <-more:
		case <-late:
			return false
		}
	}
}

// settle sends until it is heard.
func (l *listener) settle(r *run, from *parley.Conn, text string) error {
	begun := time.Now()
	for i := 0; ; i++ {
		if err := from.Send(r.ctx, parley.Text(fmt.Sprint(text, i))); err != nil {
			return err
		}
		if l.await(fmt.Sprint(text, i), 10*time.Millisecond) {
			return nil
		}
		if time.Since(begun) > readyFor {
			return errors.New("the machines do not hear each other")
		}
	}
}

// count returns how many texts that begin so were heard once.
func (l *listener) count(prefix string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for text, times := range l.heard {
		if strings.HasPrefix(text, prefix) && times == 1 {
			n++
		}
	}
	return n
}

// freePlace returns a place where a server can listen.
func freePlace() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
