package serve

import (
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/listen"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/cmd/parley/internal/monitor"
	"github.com/parley-net/parley/transfer"
)

// folderOptions are the flags of serve --files.
type folderOptions struct {
	dir             string
	writable, force bool
	maxFile         app.Size
}

func (o *folderOptions) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&o.writable, "writable", false, "with --files: take new files too")
	f.BoolVar(&o.force, "force", false, "with --writable: let clients replace files")
	f.Var(&o.maxFile, "max-file", "with --writable: largest file taken, `SIZE` (default 1T)")
}

// stillFor is how long a client of a file server may stand still, in a transfer
// and between two, unless --idle says otherwise.
const stillFor = 5 * time.Minute

// filesMode is the mode that serves the files of a folder.
func filesMode(a *app.App, o folderOptions) (listen.Mode, error) {
	root, err := os.OpenRoot(o.dir)
	if err != nil {
		return listen.Mode{}, fault.Usagef("--files: %w", err)
	}
	files := &transfer.Server{
		Root:         root,
		Writable:     o.writable,
		KeepExisting: !o.force,
		MaxFile:      int64(o.maxFile),
		Logger:       a.Log,
	}
	var with listen.Company
	if a.Monitor != "" {
		with.Transfers = new(monitor.Transfers)
		with.Transfers.Watch(files)
	}
	serve := func(e *endpoint.Endpoint, srv *parley.Server) error {
		if e.Protocol.Name() != "tinyproto" {
			return fault.Usagef("--files: files travel on tinyproto only, not on %s", e.Protocol.Name())
		}
		srv.Handler = files
		srv.Limits.MaxMessage = transfer.MaxLetter
		if srv.Timeouts.Idle == 0 {
			srv.Timeouts.Idle = stillFor
		}
		return nil
	}
	return listen.Mode{Serve: serve, End: root.Close, With: with}, nil
}
