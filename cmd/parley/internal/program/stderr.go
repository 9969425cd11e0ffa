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
	mu              sync.Mutex
	second          time.Time // when the current one began
	logged, leftOut int
}

// read logs all of file.
func (s *Stderr) read(file *os.File, log *slog.Logger) {
	lines := bufio.NewReaderSize(file, 4096) // a longer line is logged in parts
	defer s.tell(log)
	for {
		line, err := lines.ReadSlice('\n')
		if text := bytes.TrimRight(line, "\r\n"); len(text) > 0 {
			s.say(log, string(text))
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

func (s *Stderr) say(log *slog.Logger, text string) {
	s.mu.Lock()
	now := time.Now()
	next := now.Sub(s.second) >= time.Second
	s.mu.Unlock()
	if next {
		s.tell(log)
	}
	s.mu.Lock()
	if now.Sub(s.second) >= time.Second {
		s.second, s.logged = now, 0
	}
	s.logged++
	more := s.logged > stderrRate
	if more {
		s.leftOut++
	}
	s.mu.Unlock()
	if !more {
		log.Warn("program says", "stderr", text)
	}
}

// tell logs how many lines were left out since it was last called.
func (s *Stderr) tell(log *slog.Logger) {
	s.mu.Lock()
	n := s.leftOut
	s.leftOut = 0
	s.mu.Unlock()
	if n > 0 {
		log.Warn("program says too much", "lines left out", n, "logged per second", stderrRate)
	}
}
