package files

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/terminal"
	"github.com/parley-net/parley/transfer"
)

// lsOptions are the flags of ls.
type lsOptions struct {
	filesOptions
	long, json bool
}

func LsCommand(a *app.App) *cobra.Command {
	var o lsOptions
	cmd := &cobra.Command{
		Use:   "ls HOST[:PORT]:[PATH]…",
		Short: "List the files of a file server",
		Long: `Lists what a server of "parley serve --files" has in a folder: a name a line,
those of folders with a / behind them. *, ? and […] in PATH stand for names, if
quotation marks keep the shell from them. An original tpft can't list.`,
		Example: `  parley ls bench:
  parley ls -l 'bench:runs/*.dat'
  parley ls -r --json bench: | jq -r .path`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return list(cmd.Context(), a, o, args)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVarP(&o.long, "long", "l", false, "with permissions, size and time")
	f.BoolVarP(&o.recursive, "recursive", "r", false, "what is in folders too")
	f.BoolVar(&o.json, "json", false, "an object for each, with path, size, mode and mtime")
	f.BoolVar(&o.tls, "tls", false, "use TLS; --ca, --pin, --insecure and --cert imply it")
	a.DialTLSFlags(cmd)
	cmd.MarkFlagsMutuallyExclusive("long", "json")
	return cmd
}

func list(ctx context.Context, a *app.App, o lsOptions, args []string) error {
	m := &mover{a: a, o: o.filesOptions}
	defer m.close()
	for _, arg := range args {
		r, err := remoteOf(a, arg, filesScheme(a, o.filesOptions))
		if err != nil {
			return err
		}
		many, err := m.many(ctx, r.at)
		if err != nil {
			return err
		}
		if !many {
			return &fault.Error{Code: fault.Fail, Err: fmt.Errorf("%s can't list folders: it is an original tpft or an older parley", r.at)}
		}
		if err := m.list(ctx, r, o); err != nil {
			return err
		}
	}
	return nil
}

// list prints what r names.
func (m *mover) list(ctx context.Context, r remote, o lsOptions) error {
	names := []string{r.path}
	if strings.ContainsAny(r.path, "*?[") {
		var err error
		if names, err = m.matches(ctx, r.path); err != nil {
			return err
		}
	}
	for _, name := range names {
		err := m.client.List(ctx, name, o.recursive, func(e transfer.Entry) error { return printEntry(m.a.Stdout, e, o) })
		if errors.As(err, new(*transfer.RejectedError)) { // a file, or nothing
			err = m.listOne(ctx, name, o, err)
		}
		if err != nil {
			return m.explained(err)
		}
	}
	return nil
}

// listOne prints a file; none is why there is no folder of that name.
func (m *mover) listOne(ctx context.Context, name string, o lsOptions, none error) error {
	var found []transfer.Entry
	err := m.client.List(ctx, path.Dir(name), false, func(e transfer.Entry) error {
		if e.Path == path.Clean(name) {
			found = append(found, e)
		}
		return nil
	})
	if err != nil || len(found) == 0 {
		return none
	}
	return printEntry(m.a.Stdout, found[0], o)
}

// entryJSON is an entry as JSON.
type entryJSON struct {
	Path    string    `json:"path"`
	Dir     bool      `json:"dir,omitempty"`
	Size    int64     `json:"size"`
	Mode    string    `json:"mode"`
	ModTime time.Time `json:"mtime"`
	Problem string    `json:"problem,omitempty"`
}

func printEntry(w io.Writer, e transfer.Entry, o lsOptions) error {
	mode := e.Mode.String()
	if o.json {
		b, err := json.Marshal(entryJSON{e.Path, e.IsDir(), e.Size, mode, e.ModTime, e.Problem})
		if err == nil {
			_, err = w.Write(append(terminal.AppendHarmless(nil, string(b)), '\n'))
		}
		return err
	}
	name := terminal.Visible(e.Path)
	if e.IsDir() {
		name += "/"
	}
	if e.Problem != "" {
		name += "  (" + terminal.Visible(e.Problem) + ")"
	}
	var err error
	if o.long {
		_, err = fmt.Fprintf(w, "%s %12d %s %s\n", mode, e.Size, e.ModTime.Local().Format(time.DateTime), name)
	} else {
		_, err = fmt.Fprintln(w, name)
	}
	return err
}
