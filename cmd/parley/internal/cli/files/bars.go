package files

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/terminal"
	"github.com/parley-net/parley/transfer"
)

// bars shows on a terminal how far the files are: a few each in a bar of its own,
// many in one bar for all. The zero value shows nothing.
type bars struct {
	all   *mpb.Progress
	bars  []*mpb.Bar
	files []file
	moved time.Time // when the last piece had moved

	now      int          // the file that moves
	finished int64        // bytes of those before it, for the one bar
	count    atomic.Int64 // files before it
}

// fewBars is up to how many files have a bar each.
const fewBars = 8

// newBars returns bars for files, if standard error is a terminal.
func newBars(a *app.App, files []file) *bars {
	b := &bars{files: files}
	if !terminal.IsTerminal(a.Stderr) {
		return b
	}
	b.all = mpb.New(mpb.WithOutput(a.Stderr), mpb.WithAutoRefresh())
	n, total := 0, int64(0)
	for _, f := range files {
		if f.dir == nil {
			n++
			total += f.size
		}
	}
	if n > fewBars || n < len(files) {
		b.bars = []*mpb.Bar{b.bar(total, decor.Any(func(decor.Statistics) string { return fmt.Sprintf("%d of %d files ", b.count.Load(), n) }))}
		return b
	}
	for _, f := range files {
		b.bars = append(b.bars, b.bar(f.size, decor.Name(terminal.Visible(f.name())+" ", decor.WCSyncSpaceR)))
	}
	return b
}

func (b *bars) bar(size int64, name decor.Decorator) *mpb.Bar {
	return b.all.New(size,
		mpb.BarStyle().Lbound("[").Filler("=").Tip(">").Refiller("-").Padding(" ").Rbound("]"),
		mpb.PrependDecorators(name),
		mpb.AppendDecorators(
			decor.Percentage(decor.WC{W: 5}),
			// A moving average; its age is that of mpb's examples.
			decor.OnAbort(decor.EwmaSpeed(decor.SizeB1024(0), " % .1f", 30), " stopped"),
			decor.OnAbort(decor.OnComplete(decor.EwmaETA(decor.ET_STYLE_GO, 30, decor.WC{W: 7}), "   done"), ""),
		))
}

// isOne reports whether one bar stands for all files.
func (b *bars) isOne() bool { return len(b.bars) == 1 && len(b.files) > 1 }

// show shows how far the file that moves is.
func (b *bars) show(t transfer.Transfer) {
	if b.all == nil {
		return
	}
	now := time.Now()
	bar, at := b.bars[0], b.finished+t.Done
	if !b.isOne() {
		bar, at = b.bars[b.now], t.Done
	}
	if t.Done == t.Resumed { // it begins
		bar.SetCurrent(at)
		if !b.isOne() {
			bar.SetRefill(t.Resumed)
		}
	} else {
		bar.EwmaSetCurrent(at, now.Sub(b.moved))
	}
	b.moved = now
	if t.Done == t.Size && !b.isOne() {
		bar.SetTotal(t.Size, true) // also where the size has changed, or is 0
	}
}

// done notes that the file i is there, or will not be.
func (b *bars) done(i int) {
	f := b.files[i]
	b.now = min(i+1, len(b.files)-1)
	if f.dir == nil {
		b.count.Add(1)
		b.finished += f.size
	}
	if b.all != nil && b.isOne() && i == len(b.files)-1 {
		b.bars[0].SetTotal(b.finished, true)
	}
}

// end leaves the bars as they are.
func (b *bars) end() {
	if b.all == nil {
		return
	}
	for _, bar := range b.bars {
		bar.Abort(false)
	}
	b.all.Wait()
	b.all = nil
}
