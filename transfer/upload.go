package transfer

import (
	"context"
	"fmt"
	"hash"
	"io"
	"os"
)

// Upload sends the file local; the server calls it remote. It returns nil when
// the server has confirmed that the file is complete. Towards a server of this
// package it continues where an earlier attempt has stopped.
func (cl *Client) Upload(ctx context.Context, local, remote string) error {
	src, err := openSource(local, os.Stat, os.Open)
	if err != nil {
		return fmt.Errorf("transfer: %w", err)
	}
	defer src.Close()
	return cl.upload(ctx, src, remote)
}

// UploadFrom is Upload of size bytes that r has.
func (cl *Client) UploadFrom(ctx context.Context, r io.ReaderAt, size int64, remote string) error {
	return cl.upload(ctx, &source{r: r, size: size}, remote)
}

func (cl *Client) upload(ctx context.Context, src *source, remote string) error {
	if err := cl.reserve(ctx); err != nil {
		return err
	}
	defer cl.mu.Unlock()
	t := Transfer{Path: remote, Upload: true, Size: src.size}
	return cl.run(ctx, t, func(k *task) error { return k.upload(src) })
}

func (k *task) upload(src *source) error {
	request := []field{{keySize, src.size}, {keyDestination, k.t.Path}}
	if !k.cl.Plain {
		request = append(request, field{keyResume, true})
		if src.info != nil {
			request = append(request, metaOf(src.info).fields()...)
		}
	}
	if err := k.send(typeUpload, request...); err != nil {
		return err
	}
	l, err := k.confirmed()
	if err != nil {
		return err
	}
	check := !k.cl.Plain && l.has(keyOffset)
	var offset int64
	if check {
		if offset, err = k.resumeUpload(src, l); err != nil {
			return err
		}
	}
	k.begin(offset)
	spoken := func() bool { return k.cl.Conn.Buffered() > 0 } // it can only have rejected the file
	if err := src.send(k.ctx, k.cl.Conn, offset, k.cl.MessageSize, k.moved, spoken, k.cl.Conn.PeerClosed()); err != nil {
		return k.interrupted(err)
	}
	changed := src.changed()
	if check {
		if changed {
			return k.refuse(ErrChanged)
		}
		if err := k.send(typeConfirmed, field{keyDigest, digest(src.sum.Sum(nil))}); err != nil {
			return k.interrupted(err)
		}
	}
	if _, err = k.confirmed(); err != nil {
		return err
	}
	k.settled = true
	if changed {
		return ErrChanged // the original has taken the mixture
	}
	return nil
}

// resumeUpload agrees with the server from where to send.
func (k *task) resumeUpload(src *source, l letter) (int64, error) {
	n, err := l.count(keyOffset)
	if err != nil {
		return 0, err
	}
	have, err := l.digest()
	if err != nil {
		return 0, err
	}
	offset, err := src.resume(n, have, func(n int64) (hash.Hash, error) { return hashPrefix(k.ctx, src.r, n, k.alive) })
	if err != nil {
		return 0, k.refuse(err)
	}
	return offset, k.send(typeConfirmed, field{keyOffset, offset})
}

// interrupted returns why data can't be sent: a server that can't write it
// says so before it closes.
func (k *task) interrupted(err error) error {
	if k.cl.Conn.Buffered() == 0 {
		return err
	}
	l, e := k.answer()
	if e != nil || l.kind != typeRejected {
		return err
	}
	return &RejectedError{Transfer: k.t, Reason: l.rejection()}
}
