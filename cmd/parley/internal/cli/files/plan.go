package files

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/terminal"
	"github.com/parley-net/parley/cmd/parley/internal/cli/wording"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/transfer"
)

// plan is what is to move between this machine and one server: what is there
// already and the same is done, what is there and different is named.
type plan struct {
	m        *mover
	at       endpoint.Endpoint
	files    []file  // to move, folders among them
	same     []file  // there already
	problems []error // of files that do not move
}

func (p *plan) add(f file, dir *transfer.Entry) {
	f.dir = dir
	p.files = append(p.files, f)
}

func (p *plan) problem(err error) { p.problems = append(p.problems, err) }

// count is how many files are to move.
func (p *plan) count() (n int, bytes int64) {
	for _, f := range p.files {
		if f.dir == nil {
			n++
			bytes += f.size
		}
	}
	return n, bytes
}

// isMany reports whether lists and packs are worth a question.
func (p *plan) isMany() bool { return len(p.files) > 1 }

// sizes asks for the sizes that are not known.
func (p *plan) sizes(ctx context.Context) error {
	for i := range p.files {
		if f := &p.files[i]; f.size < 0 {
			var err error
			if f.size, err = p.m.size(ctx, *f); err != nil {
				return err
			}
		}
	}
	return nil
}

// lookLocal finds out what of the files is here already.
func (p *plan) lookLocal(ctx context.Context) error {
	return p.sort(ctx, func(f file) (int64, bool, error) {
		info, err := os.Stat(f.local)
		switch {
		case errors.Is(err, os.ErrNotExist):
			return 0, false, nil
		case err != nil:
			return 0, false, err
		case !info.Mode().IsRegular():
			return -1, true, nil
		}
		return info.Size(), true, nil
	})
}

// lookRemote finds out what of the files the server has already.
func (p *plan) lookRemote(ctx context.Context) error {
	many := false
	if p.isMany() {
		var err error
		if many, err = p.m.many(ctx, p.at); err != nil {
			return err
		}
	}
	if !many {
		if p.m.o.force {
			return nil
		}
		return p.sort(ctx, func(f file) (int64, bool, error) {
			n, err := p.m.size(ctx, f)
			if err != nil && !errors.As(err, new(*transfer.RejectedError)) { // what else may be wrong, the upload will tell
				return 0, false, err
			}
			return n, err == nil, nil
		})
	}
	there := make(map[string]int64)
	listed := make(map[string]bool)
	for _, f := range p.files {
		dir := path.Dir(path.Clean(f.path))
		if listed[dir] {
			continue
		}
		listed[dir] = true
		err := p.m.client.List(ctx, dir, false, func(e transfer.Entry) error {
			there[e.Path] = e.Size
			return nil
		})
		if err != nil && !errors.As(err, new(*transfer.RejectedError)) {
			return p.m.explained(err)
		}
	}
	return p.sort(ctx, func(f file) (int64, bool, error) {
		n, ok := there[path.Clean(f.path)]
		return n, ok, nil
	})
}

// sort takes out of the plan what is at its destination already. there tells the
// size of what is there.
func (p *plan) sort(ctx context.Context, there func(file) (int64, bool, error)) error {
	var move, maybe []file
	for _, f := range p.files {
		n, is, err := int64(0), false, error(nil)
		if f.dir == nil {
			n, is, err = there(f)
		}
		switch {
		case err != nil:
			return err
		case !is:
			move = append(move, f)
		case n == f.size:
			maybe = append(maybe, f)
		case p.m.o.force:
			move = append(move, f)
		default:
			p.differs(f, n)
		}
	}
	same, err := p.compare(ctx, maybe)
	if err != nil {
		return err
	}
	for i, f := range maybe {
		switch {
		case same[i]:
			p.same = append(p.same, f)
		case p.m.o.force:
			move = append(move, f)
		default:
			p.differs(f, f.size)
		}
	}
	p.files = move
	return nil
}

// differs notes that a file is there with another content.
func (p *plan) differs(f file, n int64) {
	if p.m.up {
		p.problem(fmt.Errorf("%s is there already, %s: --force replaces it", f.place(), wording.Amount(n)))
	} else {
		p.problem(fmt.Errorf("%s is there already: --force replaces it", f.local))
	}
}

// compare compares files of the same size by their hashes. With a server that can't,
// none is the same.
func (p *plan) compare(ctx context.Context, files []file) ([]bool, error) {
	same := make([]bool, len(files))
	if len(files) == 0 || p.m.o.plain {
		return same, nil
	}
	many, err := p.m.many(ctx, p.at)
	if err != nil || !many {
		return same, err
	}
	var names []string
	var known []transfer.Known
	for _, f := range files {
		sum, err := hashOf(f.local)
		if err != nil {
			return same, err
		}
		names, known = append(names, f.path), append(known, transfer.Known{Size: f.size, Sum: sum})
	}
	same, err = p.m.client.Same(ctx, names, known)
	return same, p.m.explained(err)
}

func hashOf(name string) (sum [32]byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return [32]byte(h.Sum(nil)), err
}

// carryOut moves the files, and says what was there and what does not move.
func (p *plan) carryOut(ctx context.Context) error {
	if p.m.o.dryRun {
		p.show()
		return p.verdict(nil, p.problems)
	}
	if len(p.problems) == 1 && len(p.files)+len(p.same) == 0 {
		return p.problems[0]
	}
	p.tellSame()
	if yes, err := p.m.accepted(p.files); !yes || err != nil {
		return err
	}
	for _, err := range p.problems {
		p.m.a.Complain(err)
	}
	failed, err := p.m.move(ctx, p)
	if err != nil {
		return err
	}
	return p.verdict(p.problems, failed)
}

// show prints what would be done.
func (p *plan) show() {
	w := p.m.a.Stdout
	for _, f := range p.same {
		fmt.Fprintf(w, "same  %10s  %s\n", wording.Amount(f.size), p.m.arrow(f))
	}
	for _, f := range p.files {
		if f.dir == nil {
			fmt.Fprintf(w, "move  %10s  %s\n", wording.Amount(f.size), p.m.arrow(f))
		}
	}
	n, bytes := p.count()
	fmt.Fprintf(w, "%s to move, %s; %d there already and the same\n", wording.Plural(n, "file"), wording.Amount(bytes), len(p.same))
}

// tellSame says which files are done already: a few one by one.
func (p *plan) tellSame() {
	if len(p.same) > 10 {
		n, _ := p.count()
		fmt.Fprintf(p.m.a.Stderr, "%d of %d files are there already and the same\n", len(p.same), len(p.same)+n+len(p.problems))
		return
	}
	for _, f := range p.same {
		place := f.local
		if p.m.up {
			place = f.place()
		}
		fmt.Fprintf(p.m.a.Stderr, "%s is there already and the same\n", terminal.Visible(place))
	}
}

// verdict is the error of the whole; told are those that have been told already.
func (p *plan) verdict(told, failed []error) error {
	n := len(told) + len(failed)
	if n == 0 {
		return nil
	}
	if len(told) == 0 && n == 1 {
		return failed[0]
	}
	for _, err := range failed {
		p.m.a.Complain(err)
	}
	moved, _ := p.count()
	verb := "fetched"
	if p.m.up {
		verb = "sent"
	}
	return &fault.Error{Code: fault.Fail, Err: fmt.Errorf("%d of %s not %s", n, wording.Plural(moved+len(p.same)+len(p.problems), "file"), verb)}
}

// matches returns the files and folders of the server whose paths match a pattern, or are it:
// a name may have brackets in it.
func (m *mover) matches(ctx context.Context, pattern string) ([]string, error) {
	found := []string{""}
	for part := range strings.SplitSeq(strings.Trim(path.Clean(pattern), "/"), "/") {
		_, malformed := path.Match(part, "")
		literal := malformed != nil || !strings.ContainsAny(part, "*?[") // as in a shell
		var next []string
		for _, dir := range found {
			if literal {
				next = append(next, path.Join(dir, part))
				continue
			}
			err := m.client.List(ctx, dir, false, func(e transfer.Entry) error {
				name := path.Base(e.Path)
				ok, _ := path.Match(part, name)
				if name == part || ok && (name[0] != '.' || part[0] == '.') {
					next = append(next, e.Path)
				}
				return nil
			})
			if err != nil && !errors.As(err, new(*transfer.RejectedError)) {
				return nil, m.explained(err)
			}
		}
		found = next
	}
	if len(found) == 0 {
		return nil, &fault.Error{Code: fault.Fail, Err: fmt.Errorf("nothing matches %s:%s", m.at.Addr, pattern)}
	}
	return found, nil
}

// isRemoteFolder reports whether r is a folder of the server.
func (m *mover) isRemoteFolder(ctx context.Context, r remote) (bool, error) {
	many, err := m.many(ctx, r.at)
	if err != nil || !many {
		return false, err
	}
	err = m.client.List(ctx, r.path, false, func(transfer.Entry) error { return nil })
	if errors.As(err, new(*transfer.RejectedError)) {
		return false, nil
	}
	return err == nil, m.explained(err)
}

// relative is a file's name under dir.
func relative(dir, name string) string {
	if rel, err := filepath.Rel(dir, name); err == nil {
		return rel
	}
	return name
}
