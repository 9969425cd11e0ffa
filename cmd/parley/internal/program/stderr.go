package program

import (
	"bufio"
	"bytes"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"
)

// stderrRate is how many lines of standard error are logged in a second, of all
// programs together. The others are counted.
const stderrRate = 100

// Stderr logs what programs write to standard error.
type Stderr struct {
	Log *slog.Logger // is told how many lines were left out

	mu              sync.Mutex
	second          time.Time // when the current one began
	logged, leftOut int
	waiting         *time.Timer // tells of leftOut; nil: nothing was left out
}

// read logs all of file.
func (s *Stderr) read(file *os.File, log *slog.Logger) {
	lines := bufio.NewReaderSize(file, 4096) // a longer line is logged in parts
	for {
		line, err := lines.ReadSlice('\n')
		if text := bytes.TrimRight(line, "\r\n"); len(text) > 0 && s.take() {
			log.Warn("program says", "stderr", string(text))
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

// take reports whether one more line may be logged now; if not, it is counted. What
// was counted is told when the second is over, and not when a program ends: as many
// may end as clients come.
func (s *Stderr) take() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.second) >= time.Second {
		s.second, s.logged = now, 0
	}
	s.logged++
	if s.logged <= stderrRate {
		return true
	}
	s.leftOut++
	if s.waiting == nil {
		s.waiting = time.AfterFunc(s.second.Add(time.Second).Sub(now), s.Flush)
	}
	return false
}

// Flush tells at once what was left out, if anything was. Whoever ends calls it.
func (s *Stderr) Flush() {
	s.mu.Lock()
	n := s.leftOut
	s.leftOut = 0
	if s.waiting != nil {
		s.waiting.Stop()
		s.waiting = nil
	}
	s.mu.Unlock()
	if n > 0 {
		s.Log.Warn("program says too much", "lines left out", n, "logged per second", stderrRate)
	}
}
