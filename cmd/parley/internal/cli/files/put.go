package files

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/transfer"
)

func PutCommand(a *app.App) *cobra.Command {
	var o filesOptions
	cmd := &cobra.Command{
		Use:   "put FILE… HOST[:PORT]:PATH",
		Short: "Send files and folders to a file server",
		Long: `Sends files to a server of "parley serve --files DIR --writable", or to one of
the original tpft. The default port is 8088. PATH is relative to the server's
folder; a PATH that is empty, a dot, or ends in / is a folder that is there, and
the files keep their names. With -p HOST may be left out: ":PATH".

With -r a folder goes with all that is in it, under its name, as with cp -r: into
PATH if that is a folder, else as PATH. Links are followed, but not round; one that
leads nowhere is named. New files keep permissions and time.

A transfer that was cut, by Ctrl-C or by the network, goes on where it stopped
when the same command runs again: what is there already and the same (size and
SHA-256) is done, the server keeps what came of a file beside the destination, and
the hash of the whole is checked before the file gets its name. The original can't
do that: it starts over, checks sizes only, and leaves half a file under the
destination's name.

A file that the server has with another content is named and not replaced without
--force; the others still go, and the exit code is 1. A server of parley agrees to
--force only if it was started with it too.`,
		Example: `  parley put results.csv bench:
  parley put *.dat bench:8088:runs/today/
  parley put -r runs/ bench: --dry-run
  parley put photo.jpg [2001:db8::7]:8088:p.jpg --pin sha256:5f70bf18…`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return putFiles(cmd.Context(), a, o, args[:len(args)-1], args[len(args)-1])
		},
	}
	filesFlags(a, cmd, &o, "replace files that the server has")
	return cmd
}

func putFiles(ctx context.Context, a *app.App, o filesOptions, locals []string, to string) error {
	r, err := remoteOf(a, to, filesScheme(a, o))
	if err != nil {
		return err
	}
	if err := o.check(a); err != nil {
		return err
	}
	if len(locals) > 1 && !r.isFolder() && !o.recursive {
		return fault.Usagef("%q: several files need a folder: a PATH that is empty, a dot, or ends in /", to)
	}
	for _, local := range locals {
		if err := app.FileName("the file", local); err != nil {
			return err
		}
		if _, err := os.Stat(local); err != nil {
			return err
		}
	}
	m := &mover{a: a, o: o, up: true}
	defer m.close()
	p := &plan{m: m, at: r.at}
	if !r.isFolder() && o.recursive {
		there, err := m.isRemoteFolder(ctx, r)
		if err != nil {
			return err
		}
		if there {
			r.path += "/"
		} else if len(locals) > 1 {
			return fault.Usagef("%q: several files need a folder that is there", to)
		}
	}
	for _, local := range locals {
		if err := p.addLocal(local, r); err != nil {
			return err
		}
	}
	if err := p.lookRemote(ctx); err != nil {
		return err
	}
	return p.carryOut(ctx)
}

// addLocal adds a file or a folder of this machine, to go to r.
func (p *plan) addLocal(local string, r remote) error {
	info, err := os.Stat(local)
	if err != nil {
		return err
	}
	f := file{remote: r, local: local, size: info.Size()}
	if r.isFolder() {
		f.path = path.Join(strings.TrimSuffix(r.path, "."), filepath.Base(local))
		if strings.HasPrefix(r.path, "./") {
			f.path = "./" + f.path
		}
	}
	switch {
	case info.Mode().IsRegular():
		p.add(f, nil)
		return nil
	case !info.IsDir():
		p.problem(fmt.Errorf("%s is not a regular file: put sends files and folders only", local))
		return nil
	case !p.m.o.recursive:
		p.problem(fmt.Errorf("%s is not a regular file: -r sends a folder with what is in it", local))
		return nil
	}
	base := f.path
	switch name := filepath.Base(filepath.Clean(local)); {
	case !r.isFolder():
	case name == ".", strings.HasSuffix(local, "/."): // what is in it, as cp does
		base = strings.TrimSuffix(strings.TrimSuffix(r.path, "."), "/")
	case name == "..":
		abs, err := filepath.Abs(local)
		if err != nil {
			return err
		}
		base = path.Join(strings.TrimSuffix(r.path, "."), filepath.Base(abs))
	}
	if base != "" {
		f := file{remote: remote{r.at, base}, local: local}
		p.add(f, &transfer.Entry{Mode: info.Mode(), ModTime: info.ModTime()})
	}
	return transfer.Walk(local, func(e transfer.Entry) error {
		f := file{remote: remote{r.at, path.Join(base, e.Path)}, local: filepath.Join(local, filepath.FromSlash(e.Path)), size: e.Size}
		switch {
		case e.Problem != "":
			p.problem(fmt.Errorf("%s is left out: %s", f.local, e.Problem))
		case e.IsDir():
			p.add(f, &e)
		default:
			p.add(f, nil)
		}
		return nil
	})
}
