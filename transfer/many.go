package transfer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/parley-net/parley"
)

// Item is one of many files or folders to move.
type Item struct {
	Local  string // on this machine; of a download relative to its root
	Remote string // what the server calls it
	Dir    bool   // a folder, which is made where it goes
	Size   int64  // of the file in bytes, where it is known
	// Mode and ModTime are those of a folder, which has them when all is in it; a
	// file brings its own. No ModTime: the folder is as new ones are.
	Mode    fs.FileMode
	ModTime time.Time
}

// Many reports whether the server is one of this package that knows lists and
// packs. What is below needs it.
func (cl *Client) Many(ctx context.Context) (knows bool, err error) {
	if err := cl.reserve(ctx); err != nil {
		return false, err
	}
	defer cl.mu.Unlock()
	if cl.Plain {
		return false, nil
	}
	err = cl.run(ctx, Transfer{Path: PartSuffix, Size: -1}, func(k *task) error {
		if err := k.send(typeDownload, field{keySource, PartSuffix}, field{keyMany, true}); err != nil {
			return err
		}
		l, err := k.answer()
		if err != nil {
			return err
		}
		k.settled = true
		knows = l.kind == typeRejected && l.flag(keyMany)
		if l.kind == typeOffer { // it has such a file
			return reject(ctx, cl.Conn, "only the size was asked for")
		}
		return nil
	})
	return knows, err
}

// List calls f for what is in a folder of the server, "" for the whole; with
// recursive also for what is in the folders in it, each before its content. The
// server must know lists, see Many.
func (cl *Client) List(ctx context.Context, dir string, recursive bool, f func(Entry) error) error {
	if err := cl.reserve(ctx); err != nil {
		return err
	}
	defer cl.mu.Unlock()
	return cl.run(ctx, Transfer{Path: cmp.Or(dir, "."), Size: -1}, func(k *task) error {
		request := []field{{keyPath, cmp.Or(dir, ".")}}
		if recursive {
			request = append(request, field{keyDeep, true})
		}
		if err := k.send(typeList, request...); err != nil {
			return err
		}
		return k.takeLines(typeList, func(l letter) error {
			e, err := l.entry()
			if err != nil {
				return err
			}
			return f(e)
		})
	})
}

// takeLines takes messages of lines up to the end.
func (k *task) takeLines(kind string, f func(letter) error) error {
	for {
		l, body, err := k.packed()
		switch {
		case err != nil:
			return err
		case l.kind == typeEnd:
			k.settled = true
			return nil
		case l.kind != kind:
			return k.declined(l)
		}
		if err := eachLine(body, f); err != nil {
			return err
		}
	}
}

// packed waits for a message of a pack.
func (k *task) packed() (letter, []byte, error) {
	st, err := k.cl.Conn.ReceiveStream(k.ctx)
	if err != nil {
		return letter{}, nil, err
	}
	b, err := readWhole(st.Size(), st)
	k.alive()
	if err != nil {
		return letter{}, nil, err
	}
	if err := st.Close(); err != nil {
		return letter{}, nil, err
	}
	return unpack(b)
}

// Known is what this side has of a file.
type Known struct {
	Size int64
	Sum  [32]byte // SHA-256
}

// Same reports for each file whether the server's has the same size and content. The
// server must be one that Many knows.
func (cl *Client) Same(ctx context.Context, remote []string, known []Known) ([]bool, error) {
	if err := cl.reserve(ctx); err != nil {
		return nil, err
	}
	defer cl.mu.Unlock()
	same := make([]bool, len(remote))
	err := cl.run(ctx, Transfer{Size: -1}, func(k *task) error {
		const ahead = 32 // requests under way
		sent := 0
		for i := range remote {
			for ; sent < len(remote) && sent < i+ahead; sent++ {
				w := known[sent]
				if err := k.send(typeDownload, field{keySource, remote[sent]}, field{keyOffset, w.Size}, field{keyDigest, digest(w.Sum[:])}); err != nil {
					return err
				}
				// Whatever comes is declined; an answer to a rejection is none.
				if err := reject(k.ctx, cl.Conn, "only whether it is the same was asked"); err != nil {
					return err
				}
			}
			l, err := k.answer()
			if err != nil {
				return err
			}
			if l.kind != typeOffer {
				continue
			}
			size, err := l.count(keySize)
			if err != nil {
				return err
			}
			offset, err := l.count(keyOffset)
			same[i] = err == nil && size == known[i].Size && offset == size
		}
		k.settled = true
		return nil
	})
	return same, err
}

// UploadMany sends files and makes folders, in their order: small files in packs,
// without an answer for each, larger ones as Upload does. done is called for each
// item when it is there, or with why it is not; only an error after which nothing
// can go on ends it. A file that is there is replaced only if Overwrite says so.
func (cl *Client) UploadMany(ctx context.Context, items []Item, done func(i int, err error)) error {
	var folders []Item // what they keep is set when all is in them
	for first := 0; first < len(items); {
		n, err := cl.uploadPack(ctx, items[first:], false, func(i int, err error) { done(first+i, err) })
		if err != nil {
			return err
		}
		for _, it := range items[first : first+n] {
			if it.meta() != nil {
				folders = append(folders, it)
			}
		}
		if first += n; n > 0 {
			continue
		}
		err = cl.Upload(ctx, items[first].Local, items[first].Remote)
		if err != nil && (ctx.Err() != nil || cl.Conn.Err() != nil) {
			return err
		}
		done(first, err)
		first++
	}
	for len(folders) > 0 {
		n, err := cl.uploadPack(ctx, folders, true, func(int, error) {})
		if err != nil {
			return err
		}
		folders = folders[n:]
	}
	return nil
}

// uploadPack sends the small files and the folders with which items begin, and
// returns how many these are; keep says whether folders get their mode and time.
func (cl *Client) uploadPack(ctx context.Context, items []Item, keep bool, done func(int, error)) (n int, err error) {
	bytes := int64(0)
	for n < packFiles && n < len(items) && bytes < packBytes && (items[n].Dir || items[n].Size <= maxSmall) {
		bytes += items[n].Size
		n++
	}
	if n == 0 {
		return 0, nil
	}
	if err := cl.reserve(ctx); err != nil {
		return 0, err
	}
	defer cl.mu.Unlock()
	failed := make(map[string]error)
	err = cl.run(ctx, Transfer{Upload: true, Path: items[0].Remote, Size: bytes}, func(k *task) error {
		return k.uploadPack(items[:n], keep, failed)
	})
	if err != nil {
		return 0, err
	}
	for i, it := range items[:n] {
		done(i, failed[it.Remote])
	}
	return n, nil
}

func (k *task) uploadPack(items []Item, keep bool, failed map[string]error) error {
	var request []field
	if !k.cl.Overwrite {
		request = append(request, field{keyKeep, true})
	}
	if err := k.send(typePack, request...); err != nil {
		return err
	}
	if _, err := k.confirmed(); err != nil {
		return err
	}
	for _, it := range items {
		m, err := it.message(keep)
		if err != nil {
			failed[it.Remote] = fmt.Errorf("transfer: %w", err)
			continue
		}
		if err := k.cl.Conn.Send(k.ctx, m); err != nil {
			return k.interrupted(err)
		}
		k.moved(int(it.Size))
	}
	if err := k.cl.Conn.Send(k.ctx, packed(newLetter(typeFlush), nil)); err != nil {
		return k.interrupted(err)
	}
	return k.takeLines(typeFlush, func(l letter) error {
		name, err := l.text(keyPath)
		if err == nil {
			failed[name] = &RejectedError{Transfer: Transfer{Path: name, Upload: true}, Reason: l.rejection()}
		}
		return err
	})
}

// meta is what a folder keeps, or nil.
func (it *Item) meta() *meta {
	if !it.Dir || it.ModTime.IsZero() {
		return nil
	}
	return &meta{it.Mode.Perm(), it.ModTime}
}

// message is the item in a pack; keep says whether a folder gets its mode and time.
func (it *Item) message(keep bool) (parley.Message, error) {
	if it.Dir {
		fields := []field{{keyPath, it.Remote}, {keyDir, true}}
		if m := it.meta(); m != nil && keep {
			fields = append(fields, m.fields()...)
		}
		return packed(newLetter(typeEntry, fields...), nil), nil
	}
	src, err := openSource(it.Local, os.Stat, os.Open)
	if err != nil {
		return parley.Message{}, err
	}
	defer src.Close()
	return src.small(it.Remote)
}

// DownloadMany fetches files and makes folders under root, in their order; it is
// UploadMany the other way.
func (cl *Client) DownloadMany(ctx context.Context, root *os.Root, items []Item, done func(i int, err error)) error {
	d := &manyDown{cl: cl, b: newBatch(root, cl.Overwrite), items: items, done: done, failed: make(map[int]error)}
	defer d.b.Close()
	for first := 0; first < len(items); {
		n, err := d.request(ctx, first)
		if err == nil {
			first += n
			if n == 0 || first == len(items) || len(d.pending) >= packFiles || d.bytes >= packBytes {
				err = d.commit()
			}
		}
		if err == nil && n == 0 {
			if err = cl.Download(ctx, items[first].Remote, filepath.Join(root.Name(), items[first].Local)); err == nil || ctx.Err() == nil && cl.Conn.Err() == nil {
				done(first, err)
				err = nil
				first++
			}
		}
		if err != nil {
			return err
		}
	}
	return d.b.finish()
}

// manyDown is one DownloadMany.
type manyDown struct {
	cl    *Client
	b     *batch
	items []Item
	done  func(i int, err error)

	pending []int // items that have come and are not yet on the disk
	bytes   int64
	failed  map[int]error
}

// commit brings to the disk what has come, and tells of it.
func (d *manyDown) commit() error {
	local := make(map[string]int, len(d.pending))
	for _, i := range d.pending {
		local[path.Clean(filepath.ToSlash(d.items[i].Local))] = i
	}
	if err := d.b.commit(func(name string, err error) { d.failed[local[path.Clean(name)]] = err }); err != nil {
		return err
	}
	for _, i := range d.pending {
		d.done(i, d.failed[i])
	}
	clear(d.failed)
	d.pending, d.bytes = d.pending[:0], 0
	return nil
}

// request fetches small files from first on, as many as one request names, and makes
// the folders between them. It returns how many items these are.
func (d *manyDown) request(ctx context.Context, first int) (n int, err error) {
	out := &packLines{}
	at := make(map[string]int) // of a file that was asked for
	for ; first+n < len(d.items) && len(out.body) < maxLines-(8<<10); n++ {
		it := d.items[first+n]
		if !it.Dir && (it.Size > maxSmall || len(it.Remote) > maxPath) {
			break
		}
		d.pending = append(d.pending, first+n)
		if it.Dir {
			if err := d.b.makeFolder(filepath.ToSlash(it.Local), it.meta()); err != nil {
				d.failed[first+n] = err
			}
			continue
		}
		_ = out.add(newLetter(typeEntry, field{keyPath, it.Remote}))
		at[it.Remote] = first + n
		d.bytes += it.Size
	}
	if len(at) == 0 {
		return n, nil
	}
	if err := d.cl.reserve(ctx); err != nil {
		return 0, err
	}
	defer d.cl.mu.Unlock()
	err = d.cl.run(ctx, Transfer{Path: d.items[first].Remote}, func(k *task) error {
		return k.downloadPack(d.b, out.body, func(name string, err error) {
			if i, asked := at[name]; asked {
				d.failed[i] = err
			}
		}, func(name string) (string, bool) {
			i, asked := at[name]
			if !asked {
				return "", false
			}
			return path.Clean(filepath.ToSlash(d.items[i].Local)), true
		})
	})
	return n, err
}

func (k *task) downloadPack(b *batch, lines []byte, fails func(string, error), local func(string) (string, bool)) error {
	if err := k.cl.Conn.Send(k.ctx, packed(newLetter(typeFiles), lines)); err != nil {
		return err
	}
	for {
		l, data, err := k.packed()
		if err != nil {
			return err
		}
		if l.kind == typeEnd {
			k.settled = true
			return nil
		}
		name, err := l.text(keyPath)
		if err != nil {
			return k.declined(l)
		}
		switch l.kind {
		case typeRejected:
			fails(name, &RejectedError{Transfer: Transfer{Path: name}, Reason: l.rejection()})
		case typeFile:
			to, asked := local(name)
			if !asked {
				return &unexpectedError{fmt.Sprintf("the server sends %.80q, which was not asked for", name)}
			}
			m, err := l.meta()
			var want digest
			if err == nil {
				want, err = l.digest()
			}
			if err == nil {
				err = b.put(to, m, want, data)
			}
			if err != nil && !errors.Is(err, errSame) {
				fails(name, err)
			}
			k.moved(len(data))
		default:
			return k.declined(l)
		}
	}
}
