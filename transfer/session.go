package transfer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"

	"github.com/parley-net/parley"
)

// session is one transfer on a server. Its messages come one by one; next is
// what takes the one that is due.
type session struct {
	srv  *Server
	conn *parley.Conn
	path string // as the client calls the file
	// early is what the client has said while its request was looked at.
	early *parley.Stream

	mu    sync.Mutex // held while a message is taken, and at the end
	next  func(ctx context.Context, size int64, r io.Reader) error
	t     Transfer
	check bool   // the client resumes and compares hashes
	have  digest // of the beginning of an upload that is there
	// wantsMeta: the client keeps mode and time of what it downloads.
	wantsMeta bool
	in        *partial // an upload's file
	out       *source  // a download's file
	file      io.Closer
	unwait    func() bool // stops waiting for the connection's end
	over      bool
}

// open makes the session the one that gets the connection's messages, until
// end, or until the connection ends, and gives the answer to the request.
func (ss *session) open(answer func() error) error {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	s := ss.srv
	s.mu.Lock()
	if s.sessions == nil {
		s.sessions = make(map[*parley.Conn]*session)
	}
	s.sessions[ss.conn] = ss
	s.mu.Unlock()
	ss.unwait = context.AfterFunc(ss.conn.Context(), func() {
		ss.mu.Lock()
		defer ss.mu.Unlock()
		ss.end(ss.conn.Err())
	})
	return answer()
}

// end ends the transfer; err says why the file is not complete.
func (ss *session) end(err error) {
	if ss.over {
		return
	}
	ss.over = true
	ss.unwait()
	ss.file.Close()
	s := ss.srv
	s.mu.Lock()
	delete(s.sessions, ss.conn)
	s.mu.Unlock()
	if l := s.log(); l != nil {
		logged := l.With("conn", ss.conn.ID(), "peer", ss.conn.RemoteAddr(), "path", ss.t.Path, "upload", ss.t.Upload,
			"size", ss.t.Size, "resumed", ss.t.Resumed, "done", ss.t.Done)
		var declined *RejectedError
		switch {
		case err == nil:
			logged.Info("file transferred")
		case ss.t.Done == 0 && errors.As(err, &declined):
			logged.Info("transfer declined", "error", err)
		default:
			logged.Warn("transfer failed", "error", err)
		}
	}
	if s.OnEnd != nil {
		s.OnEnd(ss.conn, ss.t, err)
	}
}

func (ss *session) send(ctx context.Context, kind string, fields ...field) error {
	return ss.conn.Send(ctx, parley.Bytes(newLetter(kind, fields...)))
}

// moved counts n bytes and reports them.
func (ss *session) moved(n int) {
	ss.t.Done += int64(n)
	if ss.srv.OnProgress != nil {
		ss.srv.OnProgress(ss.conn, ss.t)
	}
}

// resumed reports where the data begins.
func (ss *session) resumed(offset int64) {
	ss.t.Resumed, ss.t.Done = offset, offset
	ss.moved(0)
}

// fail tells the client why the file can't be had, and ends the connection:
// data may be under way.
func (ss *session) fail(ctx context.Context, err error) error {
	_ = reject(ctx, ss.conn, reason(err, ss.path))
	ss.end(err)
	return fmt.Errorf("transfer: %v: %w", ss.t, err)
}

// letter reads a letter in the middle of a transfer. A nil result with a nil
// error says that the transfer is over: the client has declined, or left.
func (ss *session) letter(ctx context.Context, size int64, r io.Reader) (*letter, error) {
	l, err := readLetter(size, r)
	switch {
	case err != nil:
		return nil, refuse(ctx, ss.conn, err)
	case l.kind == typeClose:
		return nil, parley.ErrPeerClosed
	case !l.confirms():
		ss.end(&RejectedError{Transfer: ss.t, Reason: l.rejection()})
		return nil, nil
	}
	return &l, nil
}

// Uploads.

// prepareUpload does all for which the request can still be rejected.
func (ss *session) prepareUpload(ctx context.Context, l letter) (err error) {
	s, t := ss.srv, &ss.t
	if ss.path, err = l.text(keyDestination); err != nil {
		return err
	}
	if t.Size, err = l.count(keySize); err != nil {
		return err
	}
	if !s.Writable {
		return syscall.EROFS
	}
	if limit := cmp.Or(s.MaxFile, defaultMaxFile); limit > 0 && t.Size > limit {
		return refusef("a file of %d bytes, this server takes %d: %s", t.Size, limit, quote(ss.path))
	}
	if err = checkNew(ss.path); err != nil {
		return err
	}
	if err = s.allow(ss.conn, ss.path, t); err != nil {
		return err
	}
	p, err := openPartial(ctx, s.Root, t.Path, !s.KeepExisting)
	if s.KeepExisting && errors.Is(err, fs.ErrExist) {
		return refusef("the file is there already, and this server replaces none: %s", quote(ss.path))
	}
	if err != nil {
		return err
	}
	p.tell = ss.moved
	ss.in, ss.file = p, p
	if p.meta, err = l.meta(); err != nil {
		return err
	}
	if ss.check = l.flag(keyResume); !ss.check {
		return p.start(0, t.Size)
	}
	sum, err := ss.prefix(ctx, p.part, p.f, p.at)
	if err != nil {
		return err
	}
	ss.have = p.follow(sum)
	return nil
}

// prefix hashes the first n bytes of f, which is called name.
func (ss *session) prefix(ctx context.Context, name string, f *os.File, n int64) (sum hash.Hash, err error) {
	sum, ss.early, err = ss.srv.hashing.prefix(ctx, ss.conn, name, f, n)
	return sum, err
}

func (ss *session) answerUpload(ctx context.Context) error {
	if ss.check {
		ss.next = ss.takeOffset
		return ss.send(ctx, typeConfirmed, field{keyOffset, ss.in.at}, field{keyDigest, ss.have})
	}
	if err := ss.send(ctx, typeConfirmed); err != nil {
		return err
	}
	return ss.beginData(ctx, 0)
}

// takeOffset takes the client's word from where it sends.
func (ss *session) takeOffset(ctx context.Context, size int64, r io.Reader) error {
	l, err := ss.letter(ctx, size, r)
	if l == nil {
		return err
	}
	offset, err := l.count(keyOffset)
	if err == nil && (offset != 0 && offset != ss.in.at || offset > ss.t.Size) {
		err = refusef("%s %d, want 0 or %d", keyOffset, offset, ss.in.at)
	}
	if err == nil {
		err = ss.in.start(offset, ss.t.Size)
	}
	if err != nil {
		return ss.fail(ctx, err)
	}
	return ss.beginData(ctx, offset)
}

func (ss *session) beginData(ctx context.Context, offset int64) error {
	ss.next = ss.takeData
	ss.resumed(offset)
	return ss.dataTaken(ctx)
}

// takeData takes a piece of the file.
func (ss *session) takeData(ctx context.Context, size int64, r io.Reader) error {
	if err := ss.in.take(size, r); err != nil {
		if ss.in.err == nil {
			return err // of the connection
		}
		return ss.fail(ctx, err)
	}
	return ss.dataTaken(ctx)
}

func (ss *session) dataTaken(ctx context.Context) error {
	switch {
	case !ss.in.complete():
		return nil
	case ss.check:
		ss.next = ss.takeDigest
		return nil
	}
	return ss.finishUpload(ctx, ss.in.commit())
}

// takeDigest takes the hash of the whole file.
func (ss *session) takeDigest(ctx context.Context, size int64, r io.Reader) error {
	l, err := ss.letter(ctx, size, r)
	if l == nil {
		return err
	}
	want, err := l.digest()
	if err == nil {
		err = ss.in.verify(want)
	}
	if err == nil {
		err = ss.in.commit()
	}
	return ss.finishUpload(ctx, err)
}

// finishUpload says the last word about an upload.
func (ss *session) finishUpload(ctx context.Context, err error) error {
	ss.end(err)
	if err != nil {
		return reject(ctx, ss.conn, reason(err, ss.path))
	}
	return ss.send(ctx, typeConfirmed)
}

// Downloads.

// prepareDownload does all for which the request can still be rejected.
func (ss *session) prepareDownload(ctx context.Context, l letter) (err error) {
	s, t := ss.srv, &ss.t
	if ss.path, err = l.text(keySource); err != nil {
		return err
	}
	if err = s.allow(ss.conn, ss.path, t); err != nil {
		return err
	}
	src, err := openSource(t.Path, s.Root.Stat, s.Root.Open)
	if err != nil {
		return err
	}
	ss.out, ss.file = src, src
	t.Size = src.size
	if ss.check = l.has(keyOffset); !ss.check {
		return nil
	}
	ss.wantsMeta = l.flag(keyMeta)
	offset, err := l.count(keyOffset)
	if err != nil {
		return err
	}
	have, err := l.digest()
	if err != nil {
		return err
	}
	t.Resumed, err = src.resume(offset, have, func(n int64) (hash.Hash, error) { return ss.prefix(ctx, t.Path, src.f, n) })
	return err
}

func (ss *session) answerDownload(ctx context.Context) error {
	ss.next = ss.takeAcceptance
	fields := []field{{keySize, ss.t.Size}}
	if ss.check {
		fields = append(fields, field{keyOffset, ss.t.Resumed})
		if ss.wantsMeta {
			fields = append(fields, metaOf(ss.out.info).fields()...)
		}
	}
	return ss.send(ctx, typeOffer, fields...)
}

// takeAcceptance takes the client's word that it wants the file, and sends it.
func (ss *session) takeAcceptance(ctx context.Context, size int64, r io.Reader) error {
	if l, err := ss.letter(ctx, size, r); l == nil {
		return err
	}
	ss.resumed(ss.t.Resumed)
	if err := ss.out.send(ctx, ss.conn, ss.t.Resumed, ss.srv.MessageSize, ss.moved, func() bool { return false }, nil); err != nil {
		return err
	}
	ss.next = ss.takeConfirmation
	if !ss.check {
		return nil
	}
	if ss.out.changed() {
		ss.end(ErrChanged)
		return reject(ctx, ss.conn, reason(ErrChanged, ss.path))
	}
	return ss.send(ctx, typeConfirmed, field{keyDigest, digest(ss.out.sum.Sum(nil))})
}

// takeConfirmation takes the client's word that it has the file.
func (ss *session) takeConfirmation(ctx context.Context, size int64, r io.Reader) error {
	l, err := ss.letter(ctx, size, r)
	switch {
	case l == nil:
		return err
	case !ss.check && ss.out.changed():
		ss.end(ErrChanged) // an original has no ear for it
	default:
		ss.end(nil)
	}
	return nil
}
