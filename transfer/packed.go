package transfer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/parley-net/parley"
)

// Between two peers of this package many small files travel in packs, without an
// answer for each. A message of a pack is a letter, a line feed, and what the letter
// is about: the data of a file, or more letters, one on each line.

const (
	// maxSmall is the largest file in a pack: the message has to stay within
	// MaxLetter with its letter.
	maxSmall = 48 << 10
	// maxLines is how large a message of lines gets.
	maxLines = 48 << 10
	// A pack has at most so many files and bytes: until all of them are on the
	// disk none has its name.
	packFiles = 4096
	packBytes = 64 << 20
)

// packed returns a message of a pack.
func packed(head, body []byte) parley.Message {
	b := make([]byte, 0, len(head)+1+len(body))
	return parley.Bytes(append(append(append(b, head...), '\n'), body...))
}

// unpack splits a message of a pack.
func unpack(b []byte) (letter, []byte, error) {
	head, body, _ := bytes.Cut(b, []byte("\n"))
	l, err := parseLetter(head)
	return l, body, err
}

// isPack reports whether a message may be one of a pack: unlike a letter of another
// peer it is written by newLetter.
func isPack(b []byte) bool { return bytes.HasPrefix(b, []byte(`{"type":"`+typeFiles+`",`)) }

// readWhole reads a message that has to be small.
func readWhole(size int64, r io.Reader) ([]byte, error) {
	if size > MaxLetter {
		return nil, refusef("a message of %d bytes where one of at most %d was due", size, MaxLetter)
	}
	b := make([]byte, size)
	_, err := io.ReadFull(r, b)
	return b, err
}

// fileLetter is the letter of a file in a pack.
func fileLetter(name string, m *meta, data []byte) []byte {
	sum := sha256.Sum256(data)
	return newLetter(typeFile, append([]field{{keyPath, name}, {keyDigest, digest(sum[:])}}, m.fields()...)...)
}

// lines gathers letters, one on each line, into messages.
type packLines struct {
	head []byte
	body []byte
	send func(parley.Message) error
}

func (p *packLines) add(l []byte) error {
	if len(p.body)+len(l) > maxLines {
		if err := p.flush(); err != nil {
			return err
		}
	}
	p.body = append(append(p.body, l...), '\n')
	return nil
}

func (p *packLines) flush() error {
	m := packed(p.head, p.body)
	p.body = p.body[:0]
	return p.send(m)
}

// eachLine calls f for each letter of a body.
func eachLine(body []byte, f func(letter) error) error {
	for line := range bytes.Lines(body) {
		l, err := parseLetter(bytes.TrimSuffix(line, []byte("\n")))
		if err == nil {
			err = f(l)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// entryLetter is a line of a list.
func entryLetter(e Entry) []byte {
	fields := []field{{keyPath, e.Path}, {keySize, e.Size}}
	fields = append(fields, (&meta{e.Mode.Perm(), e.ModTime}).fields()...)
	if e.IsDir() {
		fields = append(fields, field{keyDir, true})
	}
	if e.Problem != "" {
		fields = append(fields, field{keyReason, e.Problem})
	}
	return newLetter(typeEntry, fields...)
}

// entry is what such a line says.
func (l letter) entry() (Entry, error) {
	var e Entry
	var err error
	if e.Path, err = l.text(keyPath); err != nil {
		return e, err
	}
	if e.Size, err = l.count(keySize); err != nil {
		return e, err
	}
	m, err := l.meta()
	if err != nil {
		return e, err
	}
	if m != nil {
		e.Mode, e.ModTime = m.mode, m.time
	}
	if l.flag(keyDir) {
		e.Mode |= fs.ModeDir
	}
	if l.has(keyReason) {
		e.Problem, err = l.text(keyReason)
	}
	return e, err
}

// cleanFolder turns the path of a folder into a name inside the served one.
func cleanFolder(p string) (string, error) {
	p = strings.TrimSuffix(strings.TrimRight(p, "/"), "/.")
	if p == "" || p == "." {
		return ".", nil
	}
	return cleanPath(p)
}

// The server's side.

// probed answers a client that asks whether this server knows packs and lists: an
// original rejects the same request without the key.
func (s *Server) probed(ctx context.Context, c *parley.Conn) error {
	return c.Send(ctx, parley.Bytes(newLetter(typeRejected, field{keyReason, "that is only asked"}, field{keyMany, true})))
}

// list sends what is in a folder.
func (s *Server) list(ctx context.Context, c *parley.Conn, l letter) error {
	asked, err := l.text(keyPath)
	var dir string
	if err == nil {
		dir, err = cleanFolder(asked)
	}
	out := &packLines{head: newLetter(typeList), send: func(m parley.Message) error { return c.Send(ctx, m) }}
	if err == nil {
		err = rootWalker(s.Root).walk(dir, l.flag(keyDeep), func(e Entry) error {
			if s.Allow != nil && !e.IsDir() && s.Allow(c, Transfer{Path: e.Path, Size: -1}) != nil {
				return nil
			}
			if serr := out.add(entryLetter(e)); serr != nil {
				return errors.Join(errEnough, serr)
			}
			return nil
		})
	}
	switch {
	case errors.Is(err, errEnough):
		return err
	case err != nil:
		return reject(ctx, c, reason(err, asked))
	}
	if err := out.flush(); err != nil {
		return err
	}
	return c.Send(ctx, packed(newLetter(typeEnd), nil))
}

// give sends the small files whose names are asked for.
func (s *Server) give(ctx context.Context, c *parley.Conn, body []byte) error {
	t := Transfer{Size: 0}
	err := eachLine(body, func(l letter) error {
		name, err := l.text(keyPath)
		if err != nil {
			return err
		}
		m, err := s.small(c, name)
		if err != nil {
			return c.Send(ctx, packed(newLetter(typeRejected, field{keyPath, name}, field{keyReason, reason(err, name)}), nil))
		}
		t.Path, t.Size = name, t.Size+int64(m.Len())
		return c.Send(ctx, m)
	})
	if err != nil {
		return refuse(ctx, c, err)
	}
	if l := s.log(); l != nil {
		l.Info("small files sent", "conn", c.ID(), "peer", c.RemoteAddr(), "last", t.Path, "bytes", t.Size)
	}
	return c.Send(ctx, packed(newLetter(typeEnd), nil))
}

// small reads a file for a pack.
func (s *Server) small(c *parley.Conn, name string) (parley.Message, error) {
	t := Transfer{Size: -1}
	if err := s.allow(c, name, &t); err != nil {
		return parley.Message{}, err
	}
	src, err := openSource(t.Path, s.Root.Stat, s.Root.Open)
	if err != nil {
		return parley.Message{}, err
	}
	defer src.Close()
	return src.small(name)
}

// small is a file as a message of a pack.
func (s *source) small(name string) (parley.Message, error) {
	if s.size > maxSmall {
		return parley.Message{}, refusef("%d bytes are too many for a pack, which takes %d", s.size, maxSmall)
	}
	data := make([]byte, s.size)
	if _, err := io.ReadFull(io.NewSectionReader(s.r, 0, s.size), data); err != nil {
		return parley.Message{}, err
	}
	if s.changed() {
		return parley.Message{}, ErrChanged
	}
	return packed(fileLetter(name, metaOf(s.info), data), data), nil
}

// packing is a pack that arrives.
type packing struct {
	*batch
	files  int
	failed *packLines
}

// takePack begins a pack.
func (s *Server) takePack(ctx context.Context, ss *session, l letter) error {
	ss.t = Transfer{Upload: true, Path: "a pack of small files"}
	if !s.Writable {
		return s.decline(ctx, ss, refusal(reason(os.ErrPermission, "")+": this server takes no files"))
	}
	p := &packing{batch: newBatch(s.Root, !l.flag(keyKeep) && !s.KeepExisting)}
	p.failed = &packLines{head: newLetter(typeFlush), send: func(m parley.Message) error { return ss.conn.Send(ctx, m) }}
	ss.file = p.batch
	ss.next = func(ctx context.Context, size int64, r io.Reader) error { return ss.takePacked(ctx, p, size, r) }
	return ss.open(func() error { return ss.send(ctx, typeConfirmed) })
}

// takePacked takes a file or a folder of a pack, or its end.
func (ss *session) takePacked(ctx context.Context, p *packing, size int64, r io.Reader) error {
	b, err := readWhole(size, r)
	if err != nil {
		return refuse(ctx, ss.conn, err)
	}
	l, data, err := unpack(b)
	switch {
	case err != nil:
	case l.kind == typeFlush:
		return ss.endPack(ctx, p)
	case l.kind == typeClose:
		return parley.ErrPeerClosed
	case l.kind == typeFile || l.kind == typeEntry:
		if p.files++; p.files > 4*packFiles {
			err = refusef("a pack of more than %d files", 4*packFiles)
			break
		}
		var name string
		if name, err = l.text(keyPath); err != nil {
			break
		}
		if ferr := ss.putPacked(p, name, l, data); ferr != nil {
			return p.fails(name, ferr)
		}
		ss.t.Size += int64(len(data))
		ss.moved(len(data))
		return nil
	default:
		err = refusef("%.40q in a pack", l.kind)
	}
	ss.end(err)
	return refuse(ctx, ss.conn, err)
}

// putPacked writes a file of a pack, or makes a folder.
func (ss *session) putPacked(p *packing, name string, l letter, data []byte) error {
	t := Transfer{Upload: true, Size: int64(len(data))}
	m, err := l.meta()
	if err == nil {
		err = checkNew(name)
	}
	if err == nil {
		err = ss.srv.allow(ss.conn, name, &t)
	}
	switch {
	case err != nil:
		return err
	case l.kind == typeEntry:
		return p.makeFolder(t.Path, m)
	case ss.srv.MaxFile > 0 && t.Size > ss.srv.MaxFile:
		return refusef("a file of %d bytes, this server takes %d: %s", t.Size, ss.srv.MaxFile, quote(name))
	}
	want, err := l.digest()
	if err == nil {
		err = p.put(t.Path, m, want, data)
	}
	if errors.Is(err, errSame) {
		return nil
	}
	if errors.Is(err, fs.ErrExist) && ss.srv.KeepExisting {
		return refusef("the file is there already, and this server replaces none: %s", quote(name))
	}
	return err
}

// fails notes a file of a pack that is not taken.
func (p *packing) fails(name string, err error) error {
	return p.failed.add(newLetter(typeRejected, field{keyPath, name}, field{keyReason, reason(err, name)}))
}

// endPack gives the files their names and tells which have not got one.
func (ss *session) endPack(ctx context.Context, p *packing) error {
	var sendErr error
	err := p.commit(func(name string, err error) { sendErr = errors.Join(sendErr, p.fails(name, err)) })
	err = errors.Join(err, p.finish())
	ss.end(err)
	switch {
	case sendErr != nil:
		return sendErr
	case err != nil:
		return refuse(ctx, ss.conn, refusal(reason(err, ss.t.Path)))
	}
	if err := p.failed.flush(); err != nil {
		return err
	}
	return ss.conn.Send(ctx, packed(newLetter(typeEnd), nil))
}
