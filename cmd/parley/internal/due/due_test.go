package due

import (
	"testing"
	"testing/synctest"
	"time"
)

// Nothing is due when each message has an answer and no more come for a while, which
// is longer where the answers are slow.
//
// Verifies: EXEC-05
func TestAnswers(t *testing.T) {
	for _, slow := range []time.Duration{0, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			var a Answers
			ended := time.Time{}
			a.Asked()
			a.Asked()
			a.End(2, func() { ended = time.Now() })
			time.Sleep(slow)
			for range 5 { // more than one line is an answer
				a.Answered()
				time.Sleep(max(slow, MinPause-time.Millisecond))
				synctest.Wait()
				if !ended.IsZero() {
					t.Fatal("over too early")
				}
			}
			a.Answered()
			last := time.Now()
			time.Sleep(time.Minute)
			synctest.Wait()
			if got, want := ended.Sub(last), 2*max(slow, MinPause-time.Millisecond); got != want {
				t.Errorf("over after %v, want %v", got, want)
			}
		})
	}
}

// As long as an answer is missing it is due.
//
// Verifies: EXEC-05
func TestMissingAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a Answers
		over := false
		a.End(2, func() { over = true })
		a.Answered()
		time.Sleep(time.Hour)
		synctest.Wait()
		if over {
			t.Error("over, and one answer is missing")
		}
	})
}

// Who has asked for nothing waits for nothing.
func TestNothingAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a Answers
		began, ended := time.Now(), time.Duration(-1)
		a.End(0, func() { ended = time.Since(began) })
		synctest.Wait()
		if ended != 0 {
			t.Errorf("over after %v", ended)
		}
	})
}
