package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/transfer"
)

func GetCommand(a *app.App) *cobra.Command {
	var o filesOptions
	cmd := &cobra.Command{
		Use:   "get HOST[:PORT]:PATH… LOCAL",
		Short: "Fetch files and folders from a file server",
		Long: `Fetches files from a server of "parley serve --files DIR", or from one of the
original tpft. The default port is 8088. PATH is relative to the server's folder;
*, ? and […] in it stand for names, if quotation marks keep the shell from them.
LOCAL is a file, or a folder that is there, in which the files keep their names.
With -p HOST may be left out: ":PATH".

With -r a folder comes with all that is in it, under its name, as with cp -r: into
LOCAL if that is a folder, else as LOCAL. New files keep permissions and time.

What comes is kept in LOCAL with ".parley.part" behind its name, and gets its
name when all of it is there and on the disk. A transfer that was cut, by Ctrl-C
or by the network, goes on where it stopped when the same command runs again: what
is there already and the same (size and SHA-256) is done, of the rest both sides
compare what is there, and the hash of the whole is checked. From the original it
starts over, and only the size is checked.

Nothing is fetched before the server has told the sizes of all files. A file that
is there with another content is named and not replaced without --force; the others
still come, and the exit code is 1.`,
		Example: `  parley get bench:results.csv .
  parley get bench:8088:runs/1.dat bench:8088:runs/2.dat data/ --ask
  parley get 'bench:runs/*.dat' data/
  parley get -r bench:runs .
  parley get [2001:db8::7]:p.jpg photo.jpg --pin sha256:5f70bf18…`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return getFiles(cmd.Context(), a, o, args[:len(args)-1], args[len(args)-1])
		},
	}
	filesFlags(a, cmd, &o, "replace local files")
	return cmd
}

func getFiles(ctx context.Context, a *app.App, o filesOptions, from []string, to string) error {
	if err := app.FileName("the file", to); err != nil {
		return err
	}
	if err := o.check(a); err != nil {
		return err
	}
	var remotes []remote
	for _, arg := range from {
		r, err := remoteOf(a, arg, filesScheme(a, o))
		if err != nil {
			return err
		}
		if r.name() == ".." || r.isFolder() && !o.recursive {
			return fault.Usagef("%q names a folder: -r fetches one with what is in it", arg)
		}
		remotes = append(remotes, r)
	}
	info, err := os.Stat(to)
	l := landing{to: to, folder: err == nil && info.IsDir() || strings.HasSuffix(to, "/") || strings.HasSuffix(to, string(filepath.Separator))}
	if len(from) > 1 && !l.folder {
		return fault.Usagef("%q: several files need a folder that is there", to)
	}
	if l.folder {
		if _, err := os.Stat(to); err != nil {
			return err
		}
	}
	m := &mover{a: a, o: o}
	defer m.close()
	var plans []*plan
	for _, r := range remotes {
		p := &plan{m: m, at: r.at}
		if n := len(plans); n > 0 && plans[n-1].at.String() == r.at.String() {
			p = plans[n-1]
		} else {
			plans = append(plans, p)
		}
		if err := p.addRemote(ctx, r, l); err != nil {
			return err
		}
	}
	taken := make(map[string]bool)
	for _, p := range plans {
		for _, f := range p.files {
			if taken[f.local] && f.dir == nil {
				return fault.Usagef("two files would be called %s", f.local)
			}
			taken[f.local] = true
		}
	}
	return getAll(ctx, a, plans)
}

// getAll carries out what is to come from each server.
func getAll(ctx context.Context, a *app.App, plans []*plan) error {
	for _, p := range plans {
		if err := p.sizes(ctx); err != nil {
			return err
		}
	}
	var first error
	for _, p := range plans {
		err := p.lookLocal(ctx)
		if err == nil {
			err = p.carryOut(ctx)
		}
		if err != nil && ctx.Err() != nil {
			return err
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// landing is where files come to.
type landing struct {
	to     string
	folder bool // in which they keep their names
}

// of is where a file of that name comes to.
func (l landing) of(name string) string {
	if l.folder {
		return filepath.Join(l.to, name)
	}
	return l.to
}

// addRemote adds the files that r names.
func (p *plan) addRemote(ctx context.Context, r remote, l landing) error {
	hasPattern := strings.ContainsAny(r.path, "*?[")
	if !hasPattern && !p.m.o.recursive {
		p.add(file{remote: r, local: l.of(r.name()), size: -1}, nil)
		return nil
	}
	many, err := p.m.many(ctx, r.at)
	if err != nil {
		return err
	}
	if !many {
		if p.m.o.recursive {
			return &fault.Error{Code: fault.Fail, Err: fmt.Errorf("%s can't list folders: it is an original tpft or an older parley", r.at)}
		}
		p.add(file{remote: r, local: l.of(r.name()), size: -1}, nil) // a name like any other
		return nil
	}
	names := []string{strings.TrimSuffix(r.path, "/")}
	if hasPattern {
		if names, err = p.m.matches(ctx, r.path); err != nil {
			return err
		}
		if len(names) > 1 && !l.folder {
			return fault.Usagef("%q: %d files match, which need a folder that is there", p.at.Addr+":"+r.path, len(names))
		}
	}
	for _, name := range names {
		if err := p.addTree(ctx, name, l); err != nil {
			return err
		}
	}
	return nil
}

// addTree adds a file, or with -r a folder with what is in it.
func (p *plan) addTree(ctx context.Context, name string, l landing) error {
	whole := name == "" || name == "."
	top := l.of(path.Base(name))
	if whole {
		top = l.to
	}
	var inside []transfer.Entry
	err := p.m.client.List(ctx, name, p.m.o.recursive, func(e transfer.Entry) error {
		inside = append(inside, e)
		return nil
	})
	switch {
	case err != nil && errors.As(err, new(*transfer.RejectedError)): // it is no folder
		p.add(file{remote: remote{p.at, name}, local: top, size: -1}, nil)
		return nil
	case err != nil:
		return p.m.explained(err)
	case !p.m.o.recursive:
		p.problem(fmt.Errorf("%s:%s is a folder: -r fetches it with what is in it", p.at.Addr, name))
		return nil
	}
	p.add(file{remote: remote{p.at, name}, local: top}, &transfer.Entry{Mode: fs.ModeDir | 0o777})
	prefix := path.Clean(name) + "/"
	for _, e := range inside {
		rest := strings.TrimPrefix(e.Path, prefix)
		f := file{remote: remote{p.at, e.Path}, local: filepath.Join(top, filepath.FromSlash(rest)), size: e.Size}
		switch {
		case e.Problem != "":
			p.problem(fmt.Errorf("%s is left out: %s", f.place(), e.Problem))
		case !filepath.IsLocal(filepath.FromSlash(rest)):
			p.problem(fmt.Errorf("%s is left out: its name leads out of the folder", f.place()))
		case e.IsDir():
			p.add(f, &e)
		default:
			p.add(f, nil)
		}
	}
	return nil
}
