package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

func getCmd(a *app) *cobra.Command {
	var o filesOptions
	cmd := &cobra.Command{
		Use:   "get HOST[:PORT]:PATH… LOCAL",
		Short: "Fetch files from a file server",
		Long: `Fetches files from a server of "parley serve --files DIR", or from one of the
original tpft. The default port is 8088. PATH is relative to the server's folder.
LOCAL is a file, or a folder that is there, in which the files keep their names.
With -p HOST may be left out: ":PATH".

What comes is kept in LOCAL with ".parley.part" behind its name, and gets its
name when all of it is there and on the disk. A transfer that was cut, by Ctrl-C
or by the network, goes on where it stopped when the same command runs again:
both sides compare what is there, and the hash of the whole is checked. From the
original it starts over, and only the size is checked.

Nothing is fetched before the server has told the sizes of all files. A file
that is there is not replaced without --force.`,
		Example: `  parley get bench:results.csv .
  parley get bench:8088:runs/1.dat bench:8088:runs/2.dat data/ --ask
  parley get [2001:db8::7]:p.jpg photo.jpg --pin sha256:5f70bf18…`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.get(cmd.Context(), o, args[:len(args)-1], args[len(args)-1])
		},
	}
	a.filesFlags(cmd, &o, "replace local files")
	return cmd
}

func (a *app) get(ctx context.Context, o filesOptions, from []string, to string) error {
	if err := fileName("the file", to); err != nil {
		return err
	}
	info, err := os.Stat(to)
	intoFolder := err == nil && info.IsDir() || strings.HasSuffix(to, "/") || strings.HasSuffix(to, string(filepath.Separator))
	if len(from) > 1 && !intoFolder {
		return usagef("%q: several files need a folder that is there", to)
	}
	var files []file
	taken := make(map[string]bool)
	for _, arg := range from {
		r, err := a.remote(arg, a.filesScheme(o))
		if err != nil {
			return err
		}
		f := file{remote: r, local: to}
		if f.isFolder() || f.name() == ".." {
			return usagef("%q names a folder: get fetches files only", arg)
		}
		if intoFolder {
			f.local = filepath.Join(to, f.name())
		}
		if taken[f.local] {
			return usagef("two files would be called %s", f.local)
		}
		taken[f.local] = true
		if _, err := os.Stat(f.local); err == nil && !o.force {
			return fmt.Errorf("%s is there already: --force replaces it", f.local)
		}
		files = append(files, f)
	}
	m := &mover{a: a, o: o}
	defer m.close()
	for i := range files {
		if files[i].size, err = m.size(ctx, files[i]); err != nil {
			return err
		}
	}
	return m.move(ctx, files)
}
