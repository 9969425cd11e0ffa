package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cluster"
	"github.com/parley-net/parley/cmd/parley/internal/ask"
	"github.com/parley-net/parley/cmd/parley/internal/bridge"
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/join"
	"github.com/parley-net/parley/cmd/parley/internal/cli/listen"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
)

// owned is a device that one node at a time has, for the clients of all.
type owned struct {
	a     *app.App
	owner *cluster.Owner
	room  *cluster.Room // where others hear what is asked and answered; or nil
	pass  bridge.Pass

	mu    sync.Mutex // held while the device is used
	asker ask.Asker
}

// ownDevice makes srv, which listens at from, the clients' side of the device at to.
func ownDevice(ctx context.Context, a *app.App, srv *parley.Server, from, to endpoint.Endpoint, o bridgeOptions) (with listen.Company, end func() error, err error) {
	if !a.Bus.Any() {
		return with, nil, fault.Usagef("--own is for several machines: --hub, --join, --cluster or --bus says how they are joined")
	}
	var rooms []string
	if o.room != "" {
		rooms = []string{o.room}
	}
	m, err := join.Enter(ctx, a, rooms, false)
	if err != nil {
		return with, nil, err
	}
	d := &owned{a: a, pass: bridge.Pass{Clients: from.Protocol, Target: to.Protocol}}
	if o.typed {
		d.pass.Forms = &bridge.Forms{Read: readForm, Write: writeForm}
	}
	if len(m.Rooms) > 0 {
		d.room = m.Rooms[0]
	}
	d.asker = ask.Asker{
		Rule:      ask.Rule{Count: max(o.answers, 0), SCPI: from.Protocol.Name() == "scpi" || to.Protocol.Name() == "scpi"},
		Timeout:   a.AnswerTimeout(),
		Reconnect: true,
		Dial: func(ctx context.Context) (*parley.Conn, error) {
			dialer, err := a.Dialer(to)
			if err != nil {
				return nil, err
			}
			return a.Dial(ctx, to, dialer)
		},
		Unasked: func(m parley.Message, err error) {
			a.Log.Warn("the device has said what nobody asked for", "peer", to.Addr, "message", ask.Name(m), "error", err)
		},
	}
	if o.answers == bridge.AnyAnswers {
		d.asker.Rule.Count = 1
	}
	if d.owner, err = m.Node.Own(o.own, cluster.OwnerOptions{Do: d.do, Lost: d.lost}); err != nil {
		m.Close()
		return with, nil, fault.AsUsage(err)
	}
	srv.Handler = parley.HandlerFunc(d.serve)
	return m.Company(a), func() error {
		leave, cancel := context.WithTimeout(context.Background(), 15*time.Second) // the next one may be slow
		defer cancel()
		return errors.Join(d.owner.Close(leave), m.Close())
	}, nil
}

// do asks the device, which is ours.
func (d *owned) do(ctx context.Context, token uint64, m parley.Message) ([]parley.Message, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.a.Log.Debug("asking the device", "token", token, "message", ask.Name(m))
	x, err := d.asker.Ask(ctx, m)
	if err != nil {
		return nil, err
	}
	var all []parley.Message
	for _, answer := range x.Answers {
		all = append(all, answer.Message)
	}
	return all, nil
}

// lost lets go of the device.
func (d *owned) lost() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asker.Close()
}

// serve takes a client's message to the device, wherever its owner is.
func (d *owned) serve(ctx context.Context, c *parley.Conn, m parley.Message) error {
	answers, err := d.call(ctx, m)
	for i := 0; i < len(answers) && err == nil; i++ {
		var out parley.Message
		if out, err = d.pass.Down(answers[i]); err == nil {
			err = c.Send(ctx, out)
		}
	}
	if err != nil && c.Protocol().Traits().Lockstep && c.Err() == nil {
		return c.Send(ctx, parley.Text("error: "+strings.Join(strings.Fields(err.Error()), " ")))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", ask.Name(m), err)
	}
	return nil
}

// call asks, and lets the room hear it.
func (d *owned) call(ctx context.Context, m parley.Message) ([]parley.Message, error) {
	question, err := d.pass.Up(m)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, d.a.AnswerTimeout())
	defer cancel()
	answers, err := d.owner.Call(ctx, question)
	if d.room == nil {
		return answers, err
	}
	for _, said := range append([]parley.Message{question}, answers...) {
		d.room.Publish(ctx, said) // who missed it is told
	}
	return answers, err
}
