package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/internal/loglimit"
)

// defaultMaxFile is a size no disk of today has room for in one upload.
const defaultMaxFile = 1 << 40

// Server serves the files of one folder. It is the handler of a parley.Server
// with tinyproto.Protocol:
//
//	root, err := os.OpenRoot("/srv/files")
//	…
//	srv := parley.Server{
//		Protocol: tinyproto.Protocol{},
//		Handler:  &transfer.Server{Root: root},
//		Limits:   parley.Limits{MaxMessage: transfer.MaxLetter},
//		Timeouts: parley.Timeouts{Idle: 5 * time.Minute},
//	}
//
// Only Root is required. The limit keeps file data out of memory, the timeout
// ends clients that stand still in the middle of a file; neither is necessary.
// Each connection carries one file at a time, any number one after the other.
//
// A client that continues a file asks the server to hash what is there of it.
// That is done for as many clients at a time as there are processors and for one
// of each IP address, ends when the client has gone, and is remembered as long as
// the file's size, time and identity stay the same.
//
// There is no login: who can connect can read the folder, and write it if
// Writable says so. Clients can be told apart in Allow, and by TLS.
//
// Set the fields before the first connection and do not change them. The hooks
// are called from the connections' goroutines, so concurrently for different
// connections; one that blocks holds up its transfer.
type Server struct {
	// Root is the folder that is served, its subfolders included. Nothing
	// outside of it can be reached. It stays the caller's to close.
	Root *os.Root
	// Writable allows uploads, which may replace files but make no folders.
	// Without it they are rejected.
	Writable bool
	// KeepExisting rejects uploads to files that are there, also when two
	// clients upload the same new file at the same time: the first to have its
	// upload accepted wins.
	KeepExisting bool
	// MaxFile is the largest upload in bytes. Default 1 TiB, negative: any.
	MaxFile int64
	// MessageSize is the size in bytes of the messages that carry a file's
	// data. Default 4 MiB, the original's.
	MessageSize int
	// Allow decides about a request before a file is looked at; Path is
	// cleaned, Size is -1 for a download. The text of its error is the reason
	// the client gets. nil: all are allowed.
	Allow func(c *parley.Conn, t Transfer) error
	// OnProgress is called when data begins to move and after every piece.
	OnProgress func(c *parley.Conn, t Transfer)
	// OnEnd is called once for every transfer that has begun. err is nil if
	// the file is complete: an upload has its name then, a download was
	// confirmed.
	OnEnd func(c *parley.Conn, t Transfer, err error)
	// Logger gets one record for every transfer and rejection, within the bounds
	// of parley's own logs. nil: silent.
	Logger *slog.Logger

	hashing hashing
	logged  sync.Once
	bounded *slog.Logger // Logger, with the bounds on what clients can have written

	mu       sync.Mutex
	sessions map[*parley.Conn]*session // those in the middle of a transfer
}

var _ parley.StreamHandler = (*Server)(nil)

// ServeMessage takes a letter or data; see parley.Handler.
func (s *Server) ServeMessage(ctx context.Context, c *parley.Conn, m parley.Message) error {
	return s.serve(ctx, c, int64(m.Len()), bytes.NewReader(m.Bytes()))
}

// ServeStream takes data that is not in memory; see parley.StreamHandler.
func (s *Server) ServeStream(ctx context.Context, c *parley.Conn, st *parley.Stream) error {
	return s.serve(ctx, c, st.Size(), st)
}

func (s *Server) serve(ctx context.Context, c *parley.Conn, size int64, r io.Reader) error {
	if s.Root == nil {
		return errors.New("transfer: Server.Root is nil; set it to the folder to serve")
	}
	next, err := s.take(ctx, c, size, r)
	for next != nil {
		st := next
		if next = nil; err == nil {
			next, err = s.take(ctx, c, st.Size(), st)
		}
		st.Close()
	}
	return err
}

// take takes one message, and returns the next one if it has come meanwhile.
func (s *Server) take(ctx context.Context, c *parley.Conn, size int64, r io.Reader) (early *parley.Stream, err error) {
	s.mu.Lock()
	ss := s.sessions[c]
	s.mu.Unlock()
	if ss == nil {
		return s.request(ctx, c, size, r)
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.over {
		return nil, c.Err()
	}
	return nil, ss.next(ctx, size, r)
}

// request takes a message between two transfers.
func (s *Server) request(ctx context.Context, c *parley.Conn, size int64, r io.Reader) (early *parley.Stream, err error) {
	l, body, err := readRequest(size, r)
	if err != nil {
		return nil, refuse(ctx, c, err)
	}
	if st, ok := r.(*parley.Stream); ok {
		st.Close() // so that the next message can come
	}
	ss := &session{srv: s, conn: c}
	switch l.kind {
	case typeUpload:
		err = s.upload(ctx, ss, l)
	case typeDownload:
		if l.flag(keyMany) {
			return nil, s.probed(ctx, c)
		}
		err = s.download(ctx, ss, l)
	case typeList:
		err = s.list(ctx, c, l)
	case typePack:
		err = s.takePack(ctx, ss, l)
	case typeFiles:
		err = s.give(ctx, c, body)
	case typeClose:
		err = parley.ErrPeerClosed
	default: // as the original does
	}
	return ss.early, err
}

// readRequest reads a letter between two transfers, and what is behind it in a
// message of a pack.
func readRequest(size int64, r io.Reader) (l letter, body []byte, err error) {
	if size > MaxLetter {
		l, err = readLetter(size, r)
		return l, nil, err
	}
	b, err := readWhole(size, r)
	switch {
	case err != nil:
	case isPack(b):
		return unpack(b)
	default:
		l, err = parseLetter(b)
	}
	return l, nil, err
}

func (s *Server) upload(ctx context.Context, ss *session, l letter) error {
	ss.t = Transfer{Upload: true}
	if err := ss.prepareUpload(ctx, l); err != nil {
		return s.decline(ctx, ss, err)
	}
	return ss.open(func() error { return ss.answerUpload(ctx) })
}

func (s *Server) download(ctx context.Context, ss *session, l letter) error {
	ss.t = Transfer{Size: -1}
	if err := ss.prepareDownload(ctx, l); err != nil {
		return s.decline(ctx, ss, err)
	}
	return ss.open(func() error { return ss.answerDownload(ctx) })
}

// log returns the log, or nil.
func (s *Server) log() *slog.Logger {
	s.logged.Do(func() {
		if s.Logger != nil {
			s.bounded = slog.New(loglimit.New(s.Logger.Handler()))
		}
	})
	return s.bounded
}

// decline rejects a request; the connection goes on.
func (s *Server) decline(ctx context.Context, ss *session, err error) error {
	if ss.file != nil {
		ss.file.Close()
	}
	why := reason(err, ss.path)
	if l := s.log(); l != nil {
		l.Info("request rejected", "conn", ss.conn.ID(), "peer", ss.conn.RemoteAddr(),
			"path", ss.path, "upload", ss.t.Upload, "reason", why)
	}
	return reject(ctx, ss.conn, why)
}

func reject(ctx context.Context, c *parley.Conn, why string) error {
	return c.Send(ctx, parley.Bytes(newLetter(typeRejected, field{keyReason, why})))
}

// refuse rejects what can't be the next message, which ends the connection.
func refuse(ctx context.Context, c *parley.Conn, err error) error {
	var r refusal
	if errors.As(err, &r) {
		_ = reject(ctx, c, string(r))
	}
	return fmt.Errorf("transfer: %w", err)
}

// allow checks the path of a request and asks the hook.
func (s *Server) allow(c *parley.Conn, path string, t *Transfer) error {
	var err error
	if t.Path, err = cleanPath(path); err != nil || s.Allow == nil {
		return err
	}
	if err := s.Allow(c, *t); err != nil {
		return refusal(err.Error())
	}
	return nil
}
