package natsbus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/parley-net/parley/bus"
)

// objectPiece is the size of an object's pieces.
const objectPiece = 512 << 10

// objects are an object store of JetStream.
type objects struct {
	b     *Bus
	store jetstream.ObjectStore
}

// Objects opens the objects named name.
func (b *Bus) Objects(ctx context.Context, name string, o bus.ObjectsOptions) (bus.Objects, error) {
	if err := bus.CheckSubject(name, false); err != nil {
		return nil, err
	}
	s := &objects{b: b}
	most := o.MaxBytes
	if most <= 0 {
		most = -1
	}
	err := b.open(ctx, func(ctx context.Context) (err error) {
		if s.store, err = b.js.ObjectStore(ctx, name); !errors.Is(err, jetstream.ErrBucketNotFound) {
			return err
		}
		s.store, err = b.js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: name, TTL: o.TTL, MaxBytes: most, Replicas: b.o.Replicas})
		if errors.Is(err, jetstream.ErrBucketExists) {
			if s.store, err = b.js.ObjectStore(ctx, name); errors.Is(err, jetstream.ErrBucketNotFound) {
				err = errNotYet
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("objects %s: %w", name, err)
	}
	return s, nil
}

// Put stores what r has.
func (s *objects) Put(ctx context.Context, name string, r io.Reader) (int64, error) {
	call, cancel, err := s.b.during(ctx, math.MaxInt64)
	if err != nil {
		return 0, err
	}
	defer cancel()
	info, err := s.store.Put(call, jetstream.ObjectMeta{Name: name, Opts: &jetstream.ObjectMetaOptions{ChunkSize: objectPiece}}, r)
	if err != nil {
		return 0, told(call, err)
	}
	return int64(info.Size), nil
}

// Get returns the object.
func (s *objects) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	var r io.ReadCloser
	err := s.b.open(ctx, func(context.Context) (err error) { // what is read needs the caller's
		r, err = s.store.Get(ctx, name)
		return err
	})
	return r, err
}

// Delete removes it.
func (s *objects) Delete(ctx context.Context, name string) error {
	call, cancel, err := s.b.during(ctx, callFor)
	if err != nil {
		return err
	}
	defer cancel()
	if err := s.store.Delete(call, name); err != nil && !errors.Is(err, jetstream.ErrObjectNotFound) {
		return told(call, err)
	}
	return nil
}
