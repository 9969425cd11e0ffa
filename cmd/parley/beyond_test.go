package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/bus/natsbus/embed"
	"github.com/parley-net/parley/cluster"
	"github.com/parley-net/parley/line"
)

// machines starts a hub and others that join it, each a node in this process.
func machines(t testing.TB, n int) []*cluster.Node {
	t.Helper()
	secret := embed.NewSecret()
	var hub *embed.Server
	var all []*cluster.Node
	for i := range n {
		o := embed.Options{Hub: "127.0.0.1:0", Dir: t.TempDir(), Secret: &secret}
		if hub != nil {
			o = embed.Options{Join: hub.HubURL(), Secret: &secret}
		}
		s, err := embed.Start(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		if hub == nil {
			hub = s
		}
		b, err := s.Connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		node, err := cluster.Start(t.Context(), b, cluster.Options{Name: fmt.Sprint("m", i)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { node.Close(context.Background()) })
		all = append(all, node)
	}
	for _, node := range all {
		for end := time.Now().Add(20 * time.Second); len(node.Nodes()) < n; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the nodes do not know each other")
			}
		}
	}
	return all
}

func enterRoom(t testing.TB, n *cluster.Node) *cluster.Room {
	t.Helper()
	r, err := n.Room("x", cluster.RoomOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// settleRoom publishes until others hear it.
func settleRoom(t testing.TB, from *cluster.Room, heard func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !heard(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the room's machines do not hear each other")
		}
		from.Publish(t.Context(), parley.Text("settle"))
	}
}

// Messages of all sizes pass from machine to machine as they are; what is too large is
// refused, and can be shared. Both machines together take less than four times the size.
//
// Verifies: CLUSTER-19
func TestSizesBetweenMachines(t *testing.T) {
	all := machines(t, 2)
	from, to := enterRoom(t, all[0]), enterRoom(t, all[1])
	got := make(chan cluster.Delivery, 100)
	rec, err := to.Receive(cluster.ReceiveOptions{Bytes: 128 << 20}, func(d cluster.Delivery) { got <- d })
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Close()
	settleRoom(t, from, func() bool { return len(got) > 0 })
	for end := time.Now().Add(20 * time.Second); len(all[0].Nodes()) < 2 || all[0].Nodes()[1].Rooms["x"].Members < 0 || !inRoom(all[0], "m1"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the sender does not know who is in the room")
		}
	}
	const mib = 1 << 20
	for _, size := range []int{0, mib - 1, mib, mib + 1, mib + 64, 8 * mib, 64 * mib} {
		for len(got) > 0 {
			<-got
		}
		p := bytes.Repeat([]byte{byte(size%251 + 1)}, size)
		peak := watchHeap()
		begun := time.Now()
		if err := from.Publish(t.Context(), parley.Bytes(p)); err != nil {
			t.Fatal(size, err)
		}
		select {
		case d := <-got:
			for d.Message.Text() == "settle" {
				d = <-got
			}
			if d.Err != nil || !bytes.Equal(d.Message.Bytes(), p) {
				t.Errorf("%d bytes came as %d, %v", size, d.Message.Len(), d.Err)
			}
			took, extra := time.Since(begun), peak()
			t.Logf("%d bytes in %v, %.1f MiB beside them", size, took.Round(10*time.Microsecond), float64(extra)/mib)
			if extra > 4*size+16*mib { // 3 × on each would be 6 ×
				t.Errorf("%d bytes took %d MiB beside them on both machines together", size, extra/mib)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%d bytes did not come: %+v", size, to.Stats())
		}
	}
	if err := from.Publish(t.Context(), parley.Bytes(make([]byte, 64*mib+1))); !errors.Is(err, cluster.ErrTooLarge) {
		t.Errorf("64 MiB and a byte: %v", err)
	}
	large := bytes.Repeat([]byte("0123456789abcdef"), 70*mib/16)
	begun := time.Now()
	ref, _, err := from.Share(t.Context(), bytes.NewReader(large))
	if err != nil {
		t.Fatal(err)
	}
	in := time.Since(begun)
	begun = time.Now()
	r, err := to.Fetch(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	back, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(back, large) {
		t.Fatalf("%d bytes came back, %v", len(back), err)
	}
	t.Logf("70 MiB shared in %v, fetched in %v", in.Round(time.Millisecond), time.Since(begun).Round(time.Millisecond))
}

// watchHeap returns a function that ends the watch and returns by how much the heap has grown at
// most meanwhile, with little garbage in it.
func watchHeap() (end func() (grown int)) {
	percent := debug.SetGCPercent(5)
	runtime.GC()
	live := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	read := func() int { metrics.Read(live); return int(live[0].Value.Uint64()) }
	before, peak := read(), make(chan int)
	stop := make(chan struct{})
	go func() {
		most := before
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				most = max(most, read())
			case <-stop:
				peak <- max(most, read())
				return
			}
		}
	}()
	return func() int {
		close(stop)
		defer debug.SetGCPercent(percent)
		return <-peak - before
	}
}

func inRoom(n *cluster.Node, name string) bool {
	for _, i := range n.Nodes() {
		if _, ok := i.Rooms["x"]; ok && i.Name == name {
			return true
		}
	}
	return false
}

// BenchmarkRoom is a room of three machines with a thousand sockets each, all of which
// read; messages have 64 bytes.
func BenchmarkRoom(b *testing.B) {
	const sockets = 1000
	var received, reads atomic.Int64
	var rooms []*cluster.Room
	var readers sync.WaitGroup
	for _, n := range machines(b, 3) {
		r := enterRoom(b, n)
		rooms = append(rooms, r)
		srv := &parley.Server{Protocol: line.Protocol{}, EventLoops: 2, MaxConnsPerAddr: sockets + 1}
		r.Attach(srv, cluster.Attachment{})
		if err := srv.Listen("127.0.0.1:0"); err != nil {
			b.Fatal(err)
		}
		go srv.Serve()
		b.Cleanup(func() { srv.Close() })
		for range sockets {
			c, err := net.Dial("tcp", srv.Addrs()[0].String())
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { c.Close() })
			readers.Go(func() {
				p := make([]byte, 16<<10)
				for {
					n, err := c.Read(p)
					if err != nil {
						return
					}
					received.Add(int64(bytes.Count(p[:n], []byte{'\n'})))
					reads.Add(1)
				}
			})
		}
		for end := time.Now().Add(time.Minute); len(srv.Conns()) < sockets && time.Now().Before(end); time.Sleep(time.Millisecond) {
		}
	}
	settleRoom(b, rooms[0], func() bool { return received.Load() > 2*sockets })
	start := int64(-1)
	for received.Load() != start { // what was said to settle has come
		start = received.Load()
		time.Sleep(500 * time.Millisecond)
	}
	reads.Store(0)
	m := parley.Text(fmt.Sprintf("%063d", 0))
	sent := int64(0)
	for b.Loop() {
		if err := rooms[sent%3].Publish(b.Context(), m); err != nil {
			b.Fatal(err)
		}
		for sent++; sent*3*sockets-(received.Load()-start) > 3*sockets*200; {
			runtime.Gosched() // readers that keep up
		}
	}
	for end := time.Now().Add(20 * time.Second); received.Load()-start < sent*3*sockets && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	got := received.Load() - start
	b.ReportMetric(float64(got)/b.Elapsed().Seconds(), "deliveries/s")
	b.ReportMetric(float64(got)/float64(reads.Load()), "deliveries/read")
	b.ReportMetric(float64(sent*3*sockets-got), "missed")
}
