package transfer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Download fetches the file that the server calls remote to the file local.
// Data goes to a file beside it, named local with PartSuffix, which stays if
// the transfer is cut; the next attempt continues there, from a server of this
// package. A file that exists is not replaced unless Overwrite says so;
// fs.ErrExist tells.
func (cl *Client) Download(ctx context.Context, remote, local string) error {
	if err := cl.reserve(ctx); err != nil {
		return err
	}
	defer cl.mu.Unlock()
	p, have, err := cl.openLocal(ctx, local)
	if err != nil {
		if errors.Is(err, fs.ErrExist) {
			err = fmt.Errorf("%w; set Overwrite to replace it", err)
		}
		return fmt.Errorf("transfer: can't write %q: %w", local, err)
	}
	defer p.root.Close()
	defer p.Close()
	t := Transfer{Path: remote, Size: -1}
	return cl.run(ctx, t, func(k *task) error { return k.download(p, have) })
}

// openLocal opens the file to download to, and returns the hash of what is
// there of it.
func (cl *Client) openLocal(ctx context.Context, local string) (*partial, digest, error) {
	if target, err := filepath.EvalSymlinks(local); err == nil {
		local = target
	}
	dir, name := filepath.Split(local)
	switch {
	case name == "" || name == "." || name == "..":
		return nil, nil, syscall.EISDIR
	case hasSuffixFold(name, PartSuffix):
		return nil, nil, refusef("names with %s are those of incomplete files", PartSuffix)
	}
	root, err := os.OpenRoot(cmp.Or(dir, "."))
	if err != nil {
		return nil, nil, err
	}
	p, err := openPartial(ctx, root, name, cl.Overwrite)
	if err != nil {
		root.Close()
		return nil, nil, err
	}
	if cl.Plain {
		return p, nil, nil
	}
	have, err := p.prefix(ctx)
	if err != nil {
		p.Close()
		root.Close()
		return nil, nil, err
	}
	return p, have, nil
}

func (k *task) download(p *partial, have digest) error {
	request := []field{{keySource, k.t.Path}}
	if have != nil {
		request = append(request, field{keyOffset, p.at}, field{keyDigest, have}, field{keyMeta, true})
	}
	if err := k.send(typeDownload, request...); err != nil {
		return err
	}
	l, err := k.answer()
	if err != nil {
		return err
	}
	if l.kind != typeOffer {
		return k.declined(l)
	}
	if k.t.Size, err = l.count(keySize); err != nil {
		return k.refuse(err)
	}
	check := have != nil && l.has(keyOffset)
	if check {
		if p.meta, err = l.meta(); err != nil {
			return k.refuse(err)
		}
	}
	var offset int64
	if !check {
		p.sum = nil
	} else {
		if offset, err = l.count(keyOffset); err != nil {
			return k.refuse(err)
		}
		if offset != 0 && offset != p.at || offset > k.t.Size {
			return k.refuse(refusef("%s %d, want 0 or %d", keyOffset, offset, p.at))
		}
	}
	p.tell = k.moved
	if err := p.start(offset, k.t.Size); err != nil {
		return k.refuse(err)
	}
	if err := k.send(typeConfirmed); err != nil {
		return err
	}
	k.begin(offset)
	if err := k.receive(p); err != nil {
		return err
	}
	if check {
		if l, err = k.confirmed(); err != nil {
			return err
		}
		want, err := l.digest()
		if err == nil {
			err = p.verify(want)
		}
		if err != nil {
			return k.refuse(err)
		}
	}
	if err := p.commit(); err != nil {
		return k.refuse(err)
	}
	k.settled = k.send(typeConfirmed) == nil // the file is there in any case
	return nil
}

// receive writes data until the file is complete.
func (k *task) receive(p *partial) error {
	for !p.complete() {
		st, err := k.cl.Conn.ReceiveStream(k.ctx)
		if err != nil {
			return err
		}
		if err := p.take(st.Size(), st); err != nil {
			return err
		}
		if err := st.Close(); err != nil {
			return err
		}
	}
	return nil
}
