package transfer

import (
	"cmp"
	"context"
	"io/fs"
	"time"
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
