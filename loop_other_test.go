//go:build !linux

package parley_test

import (
	"errors"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy2"
)

func TestNoEventLoops(t *testing.T) {
	srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(echo), EventLoops: 1}
	if err := srv.ListenAndServe("127.0.0.1:0"); !errors.Is(err, parley.ErrNoEventLoops) {
		t.Errorf("got %v, want ErrNoEventLoops", err)
	}
}
