package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley/transfer"
)

func putCmd(a *app) *cobra.Command {
	var o filesOptions
	cmd := &cobra.Command{
		Use:   "put FILE… HOST[:PORT]:PATH",
		Short: "Send files to a file server",
		Long: `Sends files to a server of "parley serve --files DIR --writable", or to one of
the original tpft. The default port is 8088. PATH is relative to the server's
folder; a PATH that is empty, a dot, or ends in / is a folder that is there, and
the files keep their names. With -p HOST may be left out: ":PATH".

A transfer that was cut, by Ctrl-C or by the network, goes on where it stopped
when the same command runs again: the server keeps what came in a file beside
the destination, both sides compare what is there, and the hash of the whole is
checked before the file gets its name. The original can't do that: it starts
over, checks sizes only, and leaves half a file under the destination's name.

A file that the server has is not replaced without --force. A server of parley
agrees only if it was started with --force too.`,
		Example: `  parley put results.csv bench:
  parley put *.dat bench:8088:runs/today/
  parley put photo.jpg [2001:db8::7]:8088:p.jpg --pin sha256:5f70bf18…`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.put(cmd.Context(), o, args[:len(args)-1], args[len(args)-1])
		},
	}
	a.filesFlags(cmd, &o, "replace files that the server has")
	return cmd
}

func (a *app) put(ctx context.Context, o filesOptions, locals []string, to string) error {
	r, err := a.remote(to, a.filesScheme(o))
	if err != nil {
		return err
	}
	if len(locals) > 1 && !r.isFolder() {
		return usagef("%q: several files need a folder: a PATH that is empty, a dot, or ends in /", to)
	}
	var files []file
	for _, local := range locals {
		if err := fileName("the file", local); err != nil {
			return err
		}
		info, err := os.Stat(local)
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is not a regular file: put sends files only", local)
		}
		f := file{remote: r, local: local, size: info.Size()}
		if r.isFolder() {
			f.path = strings.TrimSuffix(r.path, ".") + filepath.Base(local)
		}
		files = append(files, f)
	}
	m := &mover{a: a, o: o, up: true}
	defer m.close()
	for _, f := range files {
		if o.force {
			break
		}
		n, err := m.size(ctx, f)
		if err == nil {
			return fmt.Errorf("%s is there already, %s: --force replaces it", f.place(), amount(n))
		}
		if !errors.As(err, new(*transfer.RejectedError)) { // what else may be wrong, the upload will tell
			return err
		}
	}
	return m.move(ctx, files)
}
