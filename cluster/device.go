package cluster

import (
	"context"
	"fmt"
	"sync"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/bus"
)

// Device is a device that nodes own, as seen by a node that takes no part in the ownership.
// Its methods may be called concurrently.
type Device struct {
	node  *Node
	name  string
	stop  context.CancelFunc
	ended chan struct{}

	mu    sync.Mutex
	owner string // "" if nobody has it, or nothing is known yet
}

// Device returns a device by the name that its owners give to Own. Whose it is is known from
// a moment later on, until Close.
func (n *Node) Device(name string) (*Device, error) {
	if err := checkDevice(name); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	d := &Device{node: n, name: name, stop: stop, ended: make(chan struct{})}
	go d.watch(ctx)
	return d, nil
}

func checkDevice(name string) error {
	if name == "" || len(name) > 200 {
		return fmt.Errorf("cluster: a device's name has 1 to 200 bytes, not %d", len(name))
	}
	return nil
}

// watch has the leases told, now or when the bus is there.
func (d *Device) watch(ctx context.Context) {
	defer close(d.ended)
	for {
		bucket, err := d.node.owners(ctx)
		if err == nil {
			err = bucket.Watch(ctx, d.told)
		}
		if err == nil || !sleep(ctx, ownAgain) {
			return
		}
	}
}

func (d *Device) told(e bus.Entry) {
	if e.Op == bus.OpCurrent || e.Key != bus.Token(d.name) {
		return
	}
	owner, _ := e.Holder() // none in an end
	d.mu.Lock()
	d.owner = owner
	d.mu.Unlock()
}

// Name is the device's name.
func (d *Device) Name() string { return d.name }

// Node is the node that sees it.
func (d *Device) Node() *Node { return d.node }

// Owner returns the node that has the device, as far as it is known here; "" if none has.
// stale says that this node is silent: it may have died.
func (d *Device) Owner() (name string, stale bool) {
	d.mu.Lock()
	name = d.owner
	d.mu.Unlock()
	if name == "" {
		return "", false
	}
	for _, info := range d.node.Nodes() {
		if info.Name == name {
			return name, info.Stale
		}
	}
	return name, true
}

// Call gives m to the device where its owner is, as Node.Forward does.
func (d *Device) Call(ctx context.Context, m parley.Message) ([]parley.Message, error) {
	return d.node.Forward(ctx, d.name, m)
}

// Close ends the watch.
func (d *Device) Close() {
	d.stop()
	<-d.ended
}
