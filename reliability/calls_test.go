package reliability

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/parley-net/parley"
)

// playCalls is the play of TestSimulatedCalls: several tasks of the client ask,
// each checks its answers. If there is only one, the server may ask back.
func (s *sim) playCalls() {
	client, server := s.ends[dialing], s.ends[accepting]
	var callers, receiver sync.WaitGroup
	alone := s.plan.tasks[dialing] == 1
	for task := range s.plan.tasks[dialing] {
		a := client.actor(fmt.Sprint("caller ", task), task)
		callers.Go(func() {
			for n := range s.plan.messages {
				a.pause()
				kind := "plain"
				if alone && a.rng.IntN(3) == 0 {
					kind = "back"
				}
				if !a.ask(fmt.Sprintf("%s %d.%d %s.", kind, task, n, letters[:a.rng.IntN(s.plan.most)])) {
					return
				}
			}
		})
	}
	if s.plan.pull[accepting] {
		a := server.actor("receiver", 0)
		receiver.Go(func() {
			for {
				m, err := a.conn.Receive(s.ctx)
				if err != nil {
					return
				}
				a.answer(m.Text())
			}
		})
	}
	callers.Wait()
	client.actor("closer", 0).close()
	receiver.Wait()
	<-client.conn.Done()
	<-server.conn.Done()
}

// ask asks and checks the answer.
func (a *actor) ask(question string) bool {
	answer, ok := a.call(question, "answer: "+question)
	if !ok && strings.HasPrefix(question, "back") && answer == "which? "+question {
		_, ok = a.call("this: "+question, "answer: "+question)
	} else if !ok {
		a.sim.problem("%s: %.40q was answered with %.40q", a.name, question, answer)
	}
	return ok
}

// call makes a call and reports whether the answer is as it should be.
func (a *actor) call(question, want string) (answer string, ok bool) {
	done := a.doing("Call %.40q", question)
	m, err := a.conn.Call(a.sim.ctx, parley.Text(question))
	done(err)
	if err != nil {
		a.sim.problem("%s: Call: %v", a.name, err)
		return "", false
	}
	return m.Text(), m.Text() == want
}

// answer answers a question, perhaps after asking back.
func (a *actor) answer(question string) {
	if strings.HasPrefix(question, "back") {
		if answer, ok := a.call("which? "+question, "this: "+question); !ok {
			a.sim.problem("%s: asking back was answered with %.40q", a.name, answer)
		}
	}
	if a.rng.IntN(3) == 0 {
		a.pause()
	}
	done := a.doing("answering %.40q", question)
	err := a.conn.Send(a.sim.ctx, parley.Text("answer: "+question))
	done(err)
	if err != nil {
		a.sim.problem("%s: answering: %v", a.name, err)
	}
}

// callHandler is the pushed server of TestSimulatedCalls.
type callHandler struct{ *actor }

func (h callHandler) ServeMessage(_ context.Context, _ *parley.Conn, m parley.Message) error {
	h.answer(m.Text())
	return nil
}
