package web_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/web"
)

// With the policy latest, a page that gives credit is sent what is newest then: nothing that
// was there before is kept for it. What has not come as far as the page's queue yet is tried again.
//
// Verifies: WEB-08
func TestLatestWithCredit(t *testing.T) {
	h := build(t, web.Options{Limits: web.Limits{CreditMessages: 4}})
	p := h.open(t)
	p.say(`{"op":"sub","id":1,"to":"cam1","policy":"latest","credit":1,"filter":{"kind":"text"},"ref":1}`)
	p.hear()
	good := 0
	for range 20 {
		publish := func(n int) {
			if err := h.room.Publish(t.Context(), parley.Text(fmt.Sprint(n))); err != nil {
				t.Fatal(err)
			}
		}
		publish(0)
		if got := p.hear(); got["text"] != "0" {
			t.Fatal(got)
		}
		for n := range 30 { // nothing of it may be sent yet
			publish(n + 1)
			p.say(`{"op":"ping","ref":1}`) // others have the time to do something
			if got := p.hear(); got["op"] != "pong" {
				t.Fatal(got)
			}
		}
		var got []int
		for last := 0; last != 30; {
			p.say(`{"op":"ack","id":1,"n":1}`)
			m := p.hear()
			if m["missed"] != nil {
				continue
			}
			last, _ = strconv.Atoi(m["text"].(string))
			got = append(got, last)
		}
		p.say(`{"op":"ack","id":1,"n":1}`)
		if got[0] > 26 {
			good++
		}
	}
	if good < 3 {
		t.Error("what was old was sent first")
	}
	t.Logf("%d of 20 times the newest came first", good)
}
