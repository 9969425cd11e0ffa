package files

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/term"

	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/terminal"
	"github.com/parley-net/parley/transfer"
)

// move moves the files of a plan. failed are those that could not be; after err
// nothing else can.
func (m *mover) move(ctx context.Context, p *plan) (failed []error, err error) {
	if len(p.files) == 0 {
		return nil, nil
	}
	client, err := m.connect(ctx, p.at)
	if err != nil {
		return nil, err
	}
	b := newBars(m.a, p.files)
	defer b.end()
	var t transfer.Transfer
	client.OnProgress = func(now transfer.Transfer) {
		t = now
		b.show(now)
	}
	done := func(i int, err error) {
		f := p.files[i]
		b.done(i)
		switch {
		case err != nil:
			failed = append(failed, m.explained(err))
		case f.dir == nil:
			m.a.Log.Info("file transferred", "local", f.local, "server", f.at, "path", f.path, "size", f.size, "resumed", t.Resumed)
		}
		t = transfer.Transfer{}
	}
	many := false
	if p.isMany() {
		if many, err = m.many(ctx, p.at); err != nil {
			return nil, err
		}
	}
	if many {
		err = m.moveMany(ctx, p, done)
	} else {
		err = m.moveEach(ctx, p, done)
	}
	b.end() // what is said now stands behind the bars
	if err != nil {
		return failed, m.failed(ctx, p, b.now, int(b.count.Load()), t, err)
	}
	return failed, nil
}

// moveEach moves one file after the other.
func (m *mover) moveEach(ctx context.Context, p *plan, done func(int, error)) error {
	for i, f := range p.files {
		var err error
		switch {
		case f.dir != nil: // the server can't make folders
		case m.up:
			err = m.client.Upload(ctx, f.local, f.path)
		default:
			err = m.client.Download(ctx, f.path, f.local)
		}
		if err != nil && (ctx.Err() != nil || m.client.Conn.Err() != nil || len(p.files) == 1) {
			return err
		}
		done(i, err)
	}
	return nil
}

// moveMany moves small files in packs.
func (m *mover) moveMany(ctx context.Context, p *plan, done func(int, error)) error {
	items := make([]transfer.Item, len(p.files))
	top := ""
	if !m.up {
		top = commonFolder(p.files)
		if err := os.MkdirAll(top, 0o777); err != nil {
			return err
		}
	}
	for i, f := range p.files {
		items[i] = transfer.Item{Local: f.local, Remote: f.path, Size: f.size}
		if !m.up {
			items[i].Local = relative(top, f.local)
		}
		if f.dir != nil {
			items[i].Dir, items[i].Mode, items[i].ModTime = true, f.dir.Mode.Perm(), f.dir.ModTime
		}
	}
	if m.up {
		return m.client.UploadMany(ctx, items, done)
	}
	root, err := os.OpenRoot(top)
	if err != nil {
		return err
	}
	defer root.Close()
	return m.client.DownloadMany(ctx, root, items, done)
}

// commonFolder is the folder of this machine in which all files come to be.
func commonFolder(files []file) string {
	dir := filepath.Dir(files[0].local)
	for _, f := range files[1:] {
		for {
			rel, err := filepath.Rel(dir, f.local)
			if err != nil || filepath.IsLocal(rel) || dir == filepath.Dir(dir) {
				break
			}
			dir = filepath.Dir(dir)
		}
	}
	return dir
}

// wrapped breaks a text at words to the width of standard error, if that is a
// terminal.
func wrapped(a *app.App, text string) string {
	f, ok := a.Errs.(*os.File)
	if !ok || !terminal.IsTerminal(a.Errs) {
		return text
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width < 20 {
		return text
	}
	return wrapAt(text, width-3) // "  " in front of a hint
}

// wrapAt breaks a text at words to lines of at most width characters.
func wrapAt(text string, width int) string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len([]rune(line))+1+len([]rune(word)) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return strings.Join(append(lines, line), "\n  ")
}
