package cluster

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"github.com/parley-net/parley/bus"
)

// sharedTTL is how long a shared object can be fetched.
const sharedTTL = time.Hour

// Share keeps what r has, of any size, for an hour and returns a reference that Fetch
// takes on any node. The reference is short text: publish it.
func (r *Room) Share(ctx context.Context, from io.Reader) (ref string, size int64, err error) {
	objects, err := r.node.objects(ctx)
	if err != nil {
		return "", 0, err
	}
	random := make([]byte, 16)
	rand.Read(random)
	ref = hex.EncodeToString(random)
	if size, err = objects.Put(ctx, ref, from); err != nil {
		return "", 0, fmt.Errorf("cluster: room %s: sharing: %w", r.name, err)
	}
	return ref, size, nil
}

// Fetch returns what was shared as ref.
func (r *Room) Fetch(ctx context.Context, ref string) (io.ReadCloser, error) {
	objects, err := r.node.objects(ctx)
	if err != nil {
		return nil, err
	}
	return objects.Get(ctx, ref)
}

func (n *Node) objects(ctx context.Context) (bus.Objects, error) {
	return n.bus.Objects(ctx, "parley_"+bus.Token(n.o.Namespace)+"_shared", bus.ObjectsOptions{TTL: sharedTTL})
}
