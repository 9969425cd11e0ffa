package replies

import (
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settleTime is how long a file must have been left alone before it is read
// again: editors write in several steps.
const settleTime = 100 * time.Millisecond

// reloader calls again at SIGHUP and, if it watches, when one of the files
// has changed.
type reloader struct {
	again   func() []string // returns the files to watch from now on; nil: as before
	signals chan os.Signal
	watcher *fsnotify.Watcher // or nil
	files   map[string]bool
	stop    chan struct{}
	running sync.WaitGroup
}

func newReloader(again func() []string, files []string, watch bool) (*reloader, error) {
	r := &reloader{again: again, signals: make(chan os.Signal, 1), stop: make(chan struct{})}
	if watch {
		var err error
		if r.watcher, err = fsnotify.NewWatcher(); err != nil {
			return nil, err
		}
		if err := r.watch(files); err != nil {
			r.watcher.Close()
			return nil, err
		}
	}
	signal.Notify(r.signals, syscall.SIGHUP)
	r.running.Go(r.run)
	return r, nil
}

// watch watches the folders of the files, as editors put a new file in the
// old one's place.
func (r *reloader) watch(files []string) error {
	r.files = make(map[string]bool)
	for _, f := range files {
		abs, err := filepath.Abs(f)
		if err != nil {
			return err
		}
		r.files[abs] = true
		if err := r.watcher.Add(filepath.Dir(abs)); err != nil {
			return err
		}
	}
	return nil
}

// run waits for reasons to read again.
func (r *reloader) run() {
	var events chan fsnotify.Event
	if r.watcher != nil {
		events = r.watcher.Events
	}
	settled := time.NewTimer(time.Hour)
	settled.Stop()
	defer settled.Stop()
	for {
		select {
		case <-r.stop:
			return
		case <-r.signals:
			r.read()
		case e, ok := <-events:
			if !ok {
				return
			}
			if r.files[e.Name] && !e.Has(fsnotify.Chmod) {
				settled.Reset(settleTime)
			}
		case <-settled.C:
			r.read()
		}
	}
}

// read reads again. A file that can't be watched any more is found by SIGHUP.
func (r *reloader) read() {
	if files := r.again(); files != nil && r.watcher != nil {
		r.watch(files)
	}
}

// end ends the waiting.
func (r *reloader) end() error {
	signal.Stop(r.signals)
	close(r.stop)
	r.running.Wait()
	if r.watcher != nil {
		return r.watcher.Close()
	}
	return nil
}
