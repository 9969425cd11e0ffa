package transfer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
)

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
