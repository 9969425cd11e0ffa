package transfer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/tinyproto"
)

const (
	defaultStall = 5 * time.Minute
	closeWait    = 5 * time.Second
)

// Client uploads and downloads files, any number one after the other, over
// one connection to a tpft server. Only Conn is required; see also Dial.
//
// One transfer at a time: a second call meanwhile returns an error. Use a
// Client, and so a connection, for each goroutine.
//
// A *RejectedError before any data has moved and ErrChanged leave the
// connection usable, and so does what is wrong with a local file before
// anything is sent. After any other error, and after a transfer whose context
// has ended, the connection is closed or can only be closed: further calls
// return that error.
type Client struct {
	// Conn is a tinyproto connection without a handler. File data is not
	// held in memory if it was dialled with Limits.MaxMessage: MaxLetter.
	Conn *parley.Conn
	// Overwrite allows a download to replace a local file.
	Overwrite bool
	// Plain keeps to the original's letters: nothing is resumed, and
	// contents are not compared, which saves hashing them.
	Plain bool
	// OnProgress is called when data begins to move and after every piece,
	// from the goroutine of the transfer. An upload's pieces are counted when
	// they are handed to the network.
	OnProgress func(Transfer)
	// MessageSize is the size in bytes of the messages that carry a file's
	// data. Default 4 MiB, the original's.
	MessageSize int
	// Stall bounds how long nothing may move; the server may have to hash
	// what it has of a large file. Default 5 minutes, negative: no bound.
	Stall time.Duration

	mu  sync.Mutex // a transfer is under way
	err error      // why there can be no other
}

// Dial connects to a tpft server at addr ("host:8088") with the defaults of
// tinyproto.
func Dial(ctx context.Context, addr string) (*Client, error) {
	d := parley.Dialer{Protocol: tinyproto.Protocol{}, Limits: parley.Limits{MaxMessage: MaxLetter}}
	c, err := d.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	return &Client{Conn: c}, nil
}

// Close says goodbye and closes the connection. It cuts a transfer that is
// under way.
func (cl *Client) Close() error {
	if !cl.mu.TryLock() {
		cl.abort()
		return nil
	}
	defer cl.mu.Unlock()
	cl.err = cmp.Or(cl.err, error(parley.ErrClosed))
	ctx, cancel := context.WithTimeout(context.Background(), closeWait)
	defer cancel()
	_ = cl.Conn.Send(ctx, parley.Bytes(newLetter(typeClose))) // Close tells what is wrong
	return cl.Conn.Close()
}

// abort cuts the connection with a reset: an original that meets an orderly end
// inside a message can take what it has for the whole file.
func (cl *Client) abort() {
	// Also what wraps a TCP connection may pass this on.
	if tcp, ok := cl.Conn.NetConn().(interface{ SetLinger(sec int) error }); ok {
		_ = tcp.SetLinger(0)
	}
	_ = cl.Conn.CloseNow()
}

// task is one transfer of a client.
type task struct {
	cl    *Client
	ctx   context.Context
	t     Transfer
	stall *time.Timer
	limit time.Duration
	// settled: the conversation is between two transfers again.
	settled bool
}

// unexpectedError: the server's answer is none. Nothing is under way, so that
// Close can still say goodbye.
type unexpectedError struct{ text string }

func (e *unexpectedError) Error() string { return e.text }

// reserve makes sure that there is one transfer at a time; the caller unlocks
// cl.mu.
func (cl *Client) reserve(ctx context.Context) error {
	if !cl.mu.TryLock() {
		return errors.New("transfer: another transfer is under way on this connection; use a Client for each")
	}
	err := cl.err
	if err == nil {
		err = cl.Conn.Err()
	}
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		cl.mu.Unlock()
		return fmt.Errorf("transfer: not begun: %w", err)
	}
	return nil
}

// run carries out f, which begins with a request. If ctx ends, or nothing
// moves for too long, the connection is cut.
func (cl *Client) run(ctx context.Context, t Transfer, f func(*task) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	k := &task{cl: cl, ctx: ctx, t: t, limit: cmp.Or(cl.Stall, defaultStall)}
	if k.limit > 0 {
		k.stall = time.AfterFunc(k.limit, func() {
			cancel(fmt.Errorf("nothing moved for %v: %w", k.limit, os.ErrDeadlineExceeded))
		})
		defer k.stall.Stop()
	}
	stop := context.AfterFunc(ctx, cl.abort)
	err := f(k)
	if !stop() && err != nil {
		err = context.Cause(ctx)
	}
	var rejected *RejectedError
	if err != nil && !errors.As(err, &rejected) {
		err = fmt.Errorf("transfer: %v: after %d bytes: %w", k.t, k.t.Done, err)
	}
	if err != nil && !k.settled {
		cl.err = err
		var unexpected *unexpectedError
		if !errors.As(err, &unexpected) {
			cl.abort()
		}
	}
	return err
}

// alive says that something has moved.
func (k *task) alive() {
	if k.stall != nil {
		k.stall.Reset(k.limit)
	}
}

// moved counts n bytes and reports them.
func (k *task) moved(n int) {
	k.alive()
	k.t.Done += int64(n)
	if k.cl.OnProgress != nil {
		k.cl.OnProgress(k.t)
	}
}

// begin reports where the data begins.
func (k *task) begin(offset int64) {
	k.t.Resumed, k.t.Done = offset, offset
	k.moved(0)
}

func (k *task) send(kind string, fields ...field) error {
	return k.cl.Conn.Send(k.ctx, parley.Bytes(newLetter(kind, fields...)))
}

// refuse tells the server that the file is not taken, or not given.
func (k *task) refuse(err error) error {
	k.settled = reject(k.ctx, k.cl.Conn, reason(err, k.t.Path)) == nil
	return err
}

// answer waits for a letter.
func (k *task) answer() (letter, error) {
	st, err := k.cl.Conn.ReceiveStream(k.ctx)
	if err != nil {
		return letter{}, err
	}
	l, err := readLetter(st.Size(), st)
	k.alive()
	if err != nil {
		return letter{}, err
	}
	return l, st.Close()
}

// confirmed waits for a letter that confirms; another one is an error.
func (k *task) confirmed() (letter, error) {
	l, err := k.answer()
	if err == nil && !l.confirms() {
		err = k.declined(l)
	}
	return l, err
}

// declined returns the error for a letter that is not the one hoped for.
func (k *task) declined(l letter) error {
	if l.kind == typeRejected {
		k.settled = true
		return &RejectedError{Transfer: k.t, Reason: l.rejection()}
	}
	return &unexpectedError{fmt.Sprintf("the server answers with %.40q, which is not the letter that is due", l.kind)}
}
