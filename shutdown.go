package parley

import (
	"context"
	"time"
)

// Shutdown ends the server gracefully: it stops listening, lets every
// connection finish the messages it has received and what it has sent, and
// waits for that, also for what a peer had sent that has gone meanwhile. If ctx ends
// first the remaining connections are cut, what waits for their handlers is left (see
// Conn.CloseNow), and ctx's error is returned; handlers may then still be running, and Serve waits
// for them. Called by a handler or a hook it would wait for its caller: use
// another goroutine there.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stop()
	for _, c := range s.all() {
		aside(c.drain) // its machine may end the goroutine
	}
	ended := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
	}
	s.cutAll()
	return context.Cause(ctx)
}

// Close ends the server and all its connections at once; what has not been sent
// is lost, and what waits for a busy handler is left; see Conn.CloseNow. It does not wait for handlers: Serve does. It returns nil.
func (s *Server) Close() error {
	s.stop()
	s.cutAll()
	return nil
}

// drainFor is Shutdown within d.
func (s *Server) drainFor(d time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	s.Shutdown(ctx)
}

// stop closes the listeners.
func (s *Server) stop() {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	close(s.closing)
	for _, l := range s.listeners {
		l.Close()
	}
	for nc := range s.starting {
		nc.Close()
	}
}

func (s *Server) cutAll() {
	for _, c := range s.all() {
		c.lock()
		c.s.Cut(ErrServerClosed)
		c.unlock()
	}
}
