package leak

import "testing"

func TestLeakIsSeen(t *testing.T) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		<-stop
		close(stopped)
	}()
	if len(wait(0)) == 0 {
		t.Error("a goroutine that waits was not seen")
	}
	close(stop)
	<-stopped
	if left := wait(30e9); len(left) > 0 {
		t.Errorf("an ended goroutine was seen: %s", left)
	}
}
