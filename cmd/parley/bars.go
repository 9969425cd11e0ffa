package main

import (
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/parley-net/parley/transfer"
)

// bars shows on a terminal how far each file is. The zero value shows nothing.
type bars struct {
	all   *mpb.Progress
	bars  []*mpb.Bar
	moved time.Time // when the last piece had moved
}

// newBars returns a bar for each file, if standard error is a terminal.
func (a *app) newBars(files []file) *bars {
	b := &bars{}
	if !isTerminal(a.stderr) {
		return b
	}
	b.all = mpb.New(mpb.WithOutput(a.stderr), mpb.WithAutoRefresh())
	for _, f := range files {
		name := visible(f.name())
		b.bars = append(b.bars, b.all.New(f.size,
			mpb.BarStyle().Lbound("[").Filler("=").Tip(">").Refiller("-").Padding(" ").Rbound("]"),
			mpb.PrependDecorators(decor.Name(name+" ", decor.WCSyncSpaceR)),
			mpb.AppendDecorators(
				decor.Percentage(decor.WC{W: 5}),
				// A moving average; its age is that of mpb's examples.
				decor.OnAbort(decor.EwmaSpeed(decor.SizeB1024(0), " % .1f", 30), " stopped"),
				decor.OnAbort(decor.OnComplete(decor.EwmaETA(decor.ET_STYLE_GO, 30, decor.WC{W: 7}), "   done"), ""),
			)))
	}
	return b
}

// show shows how far the file i is.
func (b *bars) show(i int, t transfer.Transfer) {
	if b.all == nil {
		return
	}
	now := time.Now()
	bar := b.bars[i]
	if t.Done == t.Resumed { // it begins
		bar.SetCurrent(t.Resumed)
		bar.SetRefill(t.Resumed)
	} else {
		bar.EwmaSetCurrent(t.Done, now.Sub(b.moved))
	}
	b.moved = now
	if t.Done == t.Size {
		bar.SetTotal(t.Size, true) // also where the size has changed, or is 0
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
}
