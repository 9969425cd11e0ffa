package transfer

import (
	"context"
	"fmt"
	"os"

	"github.com/parley-net/parley"
)

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
