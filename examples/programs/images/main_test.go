package main

import (
	"testing"
	"testing/synctest"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/serpy2"
)

func TestPipeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(threshold), OverwriteBorrowed: true}
		c, _ := parleytest.Pipe(t, srv, nil)
		if n, err := process(t.Context(), c, 500); n != 500 || err != nil {
			t.Errorf("%d frames, %v", n, err)
		}
		if st := srv.Stats(); st.Faults != (parley.Faults{}) || st.Total.MessagesIn != 500 {
			t.Errorf("%+v", st)
		}
	})
}
