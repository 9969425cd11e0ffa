package tap

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/keep"
	"github.com/parley-net/parley/cmd/parley/internal/cli/listen"
	"github.com/parley-net/parley/cmd/parley/internal/cli/output"
	"github.com/parley-net/parley/cmd/parley/internal/cli/private"
	"github.com/parley-net/parley/cmd/parley/internal/cli/wording"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/cmd/parley/internal/pcapng"
	"github.com/parley-net/parley/cmd/parley/internal/tap"
	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/recording"
	"github.com/parley-net/parley/wire"
)

// tapWatch makes of what the proxy saw what the user sees: it prints, records
// and captures. All its methods run on one goroutine.
type tapWatch struct {
	a      *app.App
	o      tapOptions
	at     endpoint.Endpoint
	out    *output.Printer
	enough func() // called when --count connections have ended

	stdout *bufio.Writer
	record *bufio.Writer  // or nil
	store  *keep.Keeper   // or nil
	pcap   *pcapng.Writer // or nil
	files  []*tapFile     // all of them

	tapped map[uint64]*tapped
	memory tapMemory
	ended  int
	began  time.Time // of the recording
	last   time.Time // when the last message was printed
	line   []byte
	colour bool // standard output has it
	turn   turning
}

// tapped is one connection.
type tapped struct {
	id      uint64
	log     *slog.Logger
	decoder *tap.Decoder
	flow    *pcapng.Flow
	peer    string   // the client's address
	client  net.Addr // and as it is
	server  net.Addr
	now     time.Time    // of the event that is being looked at
	said    [2]time.Time // when each side has last said a message
	banner  []byte       // what the server greets people with
	over    [2]bool      // each side has ended, or there was a reset
	ending  bool         // the decoder is just being told of an end
	cutOff  string       // what is wrong with it
	notes   []string     // what the bytes that are being looked at mean, for the capture
}

// tapFile is something that is being written. Its writer keeps the first
// error and does nothing more.
type tapFile struct {
	name  string
	flush func() error
	close func() error
	err   error
}

// open opens the files.
func (w *tapWatch) open() error {
	w.stdout = bufio.NewWriterSize(w.a.Stdout, 32<<10)
	w.files = []*tapFile{{name: "standard output", flush: w.stdout.Flush, close: func() error { return nil }}}
	w.turn = newTurning(time.Now(), w.o)
	if err := w.openFiles(w.o.record, w.o.pcapng); err != nil {
		w.close()
		return err
	}
	if w.o.store == "" {
		return nil
	}
	k, end, err := keep.NewKeeper(context.Background(), w.o.store, "tap", w.at.String())
	if err != nil {
		w.close()
		return err
	}
	w.store = k
	w.files = append(w.files, &tapFile{name: "--store", flush: k.Failed, close: end})
	stop, err := listen.ShowStore(w.a, k.Ready, k.Metrics)
	if err != nil {
		w.close()
		return err
	}
	w.files = append(w.files, &tapFile{name: "--monitor", flush: func() error { return nil }, close: func() error { stop(); return nil }})
	return nil
}

// openFiles opens the files of a recording and a capture that have names.
func (w *tapWatch) openFiles(record, capture string) error {
	f, err := w.create("--record", record)
	if err != nil {
		return err
	}
	if f != nil {
		w.record = bufio.NewWriterSize(f, 64<<10)
		w.files = append(w.files, &tapFile{name: "--record", flush: w.record.Flush, close: f.Close})
	}
	if f, err = w.create("--pcapng", capture); err != nil {
		return err
	}
	if f != nil {
		w.pcap = pcapng.NewWriter(f, "parley "+w.a.Version, w.at.String())
		w.files = append(w.files, &tapFile{name: "--pcapng", flush: w.pcap.Flush, close: f.Close})
	}
	return nil
}

// create creates a file, or none if it has no name.
func (w *tapWatch) create(flag, name string) (*os.File, error) {
	if name == "" {
		return nil, nil
	}
	return private.Create(flag, name, w.o.force)
}

// flush writes all that is buffered: the watch has caught up.
func (w *tapWatch) flush() {
	for _, f := range w.files {
		if err := f.flush(); err != nil && f.err == nil {
			f.err = fmt.Errorf("%s: %w", f.name, err)
			w.a.Log.Warn("it is incomplete from here on, the traffic goes on", "error", f.err)
		}
	}
	w.rotateIf(time.Now())
}

// close closes the files. Its error says which of them are incomplete.
func (w *tapWatch) close() error {
	w.flush()
	var errs []error
	for _, f := range w.files {
		err := f.close()
		if f.err != nil {
			err = f.err
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// event looks at one event.
func (w *tapWatch) event(ev tap.Event) {
	switch ev.Kind {
	case tap.Failed:
		log, reason := w.a.Log.With("conn", ev.Conn, "client", ev.Client), ev.Err
		if f, ok := reason.(*fault.Error); ok && f.Hint != "" {
			log, reason = log.With("hint", f.Hint), f.Err
		}
		log.Warn("a client was turned away", "reason", reason)
		w.end()
		return
	case tap.Opened:
		w.opened(ev)
		return
	}
	t := w.tapped[ev.Conn]
	t.now = ev.Time
	client := ev.From == wire.Dialing
	switch ev.Kind {
	case tap.Data:
		w.trace(t, ev)
		w.turn.captured += int64(len(ev.Data))
		var sent []byte
		if w.pcap != nil {
			sent = bytes.Clone(ev.Data) // the decoder may change it
		}
		w.decode(t, ev)
		if w.pcap != nil {
			t.flow.Data(ev.Time, client, sent, t.noted()...)
		}
	case tap.Missed:
		if w.pcap != nil {
			t.flow.Skip(client, ev.N)
		}
		t.decoder.Stop(ev.From, fmt.Errorf("the decoding is more than %d MiB behind the traffic; %d bytes were passed on unseen", w.memory.behind()>>20, ev.N))
		w.memory.forget(t)
	case tap.Ended:
		t.over[ev.From] = true
		t.ending, t.cutOff = true, ""
		t.decoder.EOF(ev.From)
		t.ending = false
		w.memory.weigh(t)
		if w.pcap != nil {
			t.flow.Fin(ev.Time, client, t.noted()...)
		}
		t.log.Debug("end of stream", "from", sideName(ev.From))
		w.write(&recording.Entry{Event: recording.End, Dir: dirOf(ev.From), Error: t.cutOff}, t)
	case tap.Reset:
		if w.pcap != nil {
			t.flow.Reset(ev.Time, client)
		}
		t.over = [2]bool{true, true}
		t.log.Info("connection reset", "from", sideName(ev.From), "reason", ev.Err)
		w.write(&recording.Entry{Event: recording.Reset, Dir: dirOf(ev.From)}, t)
	case tap.Closed:
		for _, from := range []wire.Role{wire.Dialing, wire.Accepting} {
			if w.pcap != nil && !t.over[from] { // tap has closed it
				t.flow.Fin(ev.Time, from == wire.Dialing)
			}
		}
		t.log.Info("connection closed")
		w.memory.forget(t)
		delete(w.tapped, ev.Conn)
		w.end()
	}
}

// end counts the connections that have ended.
func (w *tapWatch) end() {
	if w.ended++; w.ended == w.o.count {
		w.enough()
	}
}

// opened begins to follow a connection.
func (w *tapWatch) opened(ev tap.Event) {
	t := &tapped{id: ev.Conn, peer: fmt.Sprint(ev.Client), client: ev.Client, server: ev.Server, now: ev.Time, log: w.a.Log.With("conn", ev.Conn, "client", ev.Client)}
	t.log.Info("connection open", "target", ev.Server)
	w.tapped[ev.Conn] = t
	if w.began.IsZero() {
		w.began = ev.Time
	}
	if w.pcap != nil {
		t.flow = w.pcap.Open(ev.Time, addrPort(ev.Client, 40_000+uint16(ev.Conn%20_000)), addrPort(ev.Server, 5000))
	}
	limit := int64(w.a.Limits.MaxMessage)
	if limit == 0 {
		limit = 64 << 20
	}
	t.decoder = tap.NewDecoder(w.at.Protocol, limit, func(i tap.Item) { w.item(t, i) })
}

// addrPort returns an address for the capture. What has none, a Unix socket,
// gets the loopback's with the given port.
func addrPort(a net.Addr, port uint16) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		if p := t.AddrPort(); p.IsValid() {
			return netip.AddrPortFrom(p.Addr().WithZone(""), p.Port())
		}
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
}

// decode decodes what has been said. Whatever happens there, the traffic is
// not concerned.
func (w *tapWatch) decode(t *tapped, ev tap.Event) {
	defer func() {
		if r := recover(); r != nil {
			t.decoder.Stop(ev.From, fmt.Errorf("the decoder has failed: %v", r))
		}
	}()
	t.decoder.Feed(ev.From, ev.Data)
	w.weigh(t, ev.From)
}

// trace logs the bytes, if --trace asks for it.
func (w *tapWatch) trace(t *tapped, ev tap.Event) {
	if !w.a.Trace {
		return
	}
	const most = 32
	more := ""
	if len(ev.Data) > most {
		more = " …"
	}
	fmt.Fprintf(w.a.Trail, "%s #%d %c [%d] % x%s\n", ev.Time.Format("15:04:05.000000"), t.id, arrowOf(ev.From),
		len(ev.Data), ev.Data[:min(len(ev.Data), most)], more)
}

// item looks at something that was said.
func (w *tapWatch) item(t *tapped, i tap.Item) {
	log := t.log.With("from", sideName(i.From))
	if w.pcap != nil {
		t.note(w.at.Protocol, i)
	}
	e := &recording.Entry{Dir: dirOf(i.From)}
	switch i.Kind {
	case tap.Banner:
		log.Debug("banner", "line", wording.Cut(string(output.Payload(i.Message)), 256))
		t.greet(output.Payload(i.Message))
		return
	case tap.Open:
		e.Dir, e.Event, e.Proto, e.Note = "", recording.Open, w.at.Protocol.Name(), string(t.banner)
		t.banner = nil
		if p, ok := w.at.Protocol.(line.Protocol); ok {
			e.Prompt = p.Prompt
		}
	case tap.Message:
		if w.record != nil || w.store != nil {
			e.Value = recording.Recorded(i.Message)
		}
		w.print(t, i)
		t.said[i.From] = t.now
	case tap.Lost:
		log.Warn("a message is lost to its reader", "reason", fault.Bare(i.Err))
		if t.ending {
			t.cutOff = i.Err.Error()
			return
		}
		e.Event, e.Error = recording.Lost, i.Err.Error()
	case tap.Confirmed:
		log.Debug("confirmed", "messages", i.N)
		return
	case tap.Leave:
		log.Debug("says goodbye")
		e.Event = recording.Leave
	case tap.Shutdown:
		log.Debug("asks the server to end")
		e.Event = recording.Shutdown
	case tap.Stopped:
		log.Warn("decoding stopped, the traffic goes on", "reason", fault.Bare(i.Err))
		e.Event, e.Error = recording.Stopped, i.Err.Error()
	}
	w.write(e, t)
}

// longestNote bounds what is recorded of a banner.
const longestNote = 64 << 10

// greet keeps a line of the banner for the recording.
func (t *tapped) greet(line []byte) {
	if len(t.banner) > 0 {
		t.banner = append(t.banner, '\n')
	}
	t.banner = append(t.banner, line...)
	if len(t.banner) > longestNote {
		t.banner = append(t.banner[:longestNote], "…"...)
	}
}

// write records an entry of t.
func (w *tapWatch) write(e *recording.Entry, t *tapped) {
	e.Conn, e.At = int(t.id), t.now.Sub(w.began)
	if w.store != nil {
		stored := *e
		w.store.Keep(t.now, &stored, t.peer)
	}
	if w.record == nil {
		return
	}
	line, err := recording.Append(w.line[:0], e)
	if err != nil {
		t.log.Warn("can't record a message", "error", err)
		return
	}
	w.line = line
	w.record.Write(line) // an error is found by flush
	w.turn.written += int64(len(line))
}

func dirOf(from wire.Role) recording.Dir {
	if from == wire.Dialing {
		return recording.ToServer
	}
	return recording.ToClient
}

func sideName(from wire.Role) string {
	if from == wire.Dialing {
		return "client"
	}
	return "server"
}

func arrowOf(from wire.Role) byte {
	if from == wire.Dialing {
		return '>'
	}
	return '<'
}
