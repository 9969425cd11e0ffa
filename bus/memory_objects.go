package bus

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// memoryObjects are the objects of a Memory.
type memoryObjects struct {
	o ObjectsOptions

	mu   sync.Mutex
	all  map[string]*memoryObject
	held int64
}

type memoryObject struct {
	data []byte
	end  *time.Timer // nil: it stays
}

type memoryObjectsHandle struct {
	b *memoryBus
	*memoryObjects
}

func (b *memoryBus) Objects(ctx context.Context, name string, o ObjectsOptions) (Objects, error) {
	if err := b.check(ctx); err != nil {
		return nil, err
	}
	b.m.mu.Lock()
	defer b.m.mu.Unlock()
	s := b.m.objects[name]
	if s == nil {
		s = &memoryObjects{o: o, all: make(map[string]*memoryObject)}
		if b.m.objects == nil {
			b.m.objects = make(map[string]*memoryObjects)
		}
		b.m.objects[name] = s
	}
	return memoryObjectsHandle{b, s}, nil
}

func (h memoryObjectsHandle) Put(ctx context.Context, name string, r io.Reader) (int64, error) {
	if err := h.b.check(ctx); err != nil {
		return 0, err
	}
	if h.o.MaxBytes > 0 {
		r = io.LimitReader(r, h.o.MaxBytes+1)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return 0, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	old := h.all[name]
	held := h.held + int64(len(data))
	if old != nil {
		held -= int64(len(old.data))
	}
	if h.o.MaxBytes > 0 && held > h.o.MaxBytes {
		return 0, fmt.Errorf("%w: the objects have %d of %d bytes", ErrFull, h.held, h.o.MaxBytes)
	}
	if old != nil {
		h.remove(name, old)
	}
	obj := &memoryObject{data: data}
	if h.o.TTL > 0 {
		obj.end = time.AfterFunc(h.o.TTL, func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			if h.all[name] == obj {
				h.remove(name, obj)
			}
		})
	}
	h.all[name], h.held = obj, held
	return int64(len(data)), nil
}

// remove removes an object, with the lock held.
func (s *memoryObjects) remove(name string, obj *memoryObject) {
	if obj.end != nil {
		obj.end.Stop()
	}
	delete(s.all, name)
	s.held -= int64(len(obj.data))
}

func (h memoryObjectsHandle) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := h.b.check(ctx); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if obj := h.all[name]; obj != nil {
		return io.NopCloser(bytes.NewReader(obj.data)), nil
	}
	return nil, fmt.Errorf("%w: %s", ErrNotFound, name)
}

func (h memoryObjectsHandle) Delete(ctx context.Context, name string) error {
	if err := h.b.check(ctx); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if obj := h.all[name]; obj != nil {
		h.remove(name, obj)
	}
	return nil
}
