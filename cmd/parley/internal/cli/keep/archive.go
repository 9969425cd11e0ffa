package keep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley/cmd/parley/internal/archive"
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/private"
	"github.com/parley-net/parley/cmd/parley/internal/cli/terminal"
	"github.com/parley-net/parley/recording"
	"github.com/parley-net/parley/store"
	"github.com/parley-net/parley/store/sqlite"
)

// storeFault gives an error of a store its exit code.
func storeFault(err error) error {
	for _, usage := range []error{store.ErrNoStore, store.ErrNotStore, store.ErrNewer, store.ErrNoSession} {
		if errors.Is(err, usage) {
			return fault.AsUsage(err)
		}
	}
	return err
}

// OpenStore opens a store that must be there.
func OpenStore(ctx context.Context, path string) (*sqlite.DB, error) {
	db, err := sqlite.Open(ctx, path)
	return db, storeFault(err)
}

func FindCommand(a *app.App) *cobra.Command {
	var o struct {
		text, from, to, peer string
		session              int64
		limit                int
		json                 bool
	}
	cmd := &cobra.Command{
		Use:   "find DB",
		Short: "Find what was said, in a store of recordings",
		Long: `Prints the entries of the store that all flags choose, the oldest first: session,
time, connection, > for the client or < for the server, and the value. A store is
what "parley tap --store", "parley record" and "parley import" write.

--text is a literal part of the value. --from and --to are points in time, such
as 2026-11-20T10:37:01Z, or times before now: -1h, -90s. --peer is the client's
address, with or without its port.

Nothing found is exit code 1. With --json each line has the keys of a recording,
"session", and the point in time as "ts".`,
		Example: `  parley find lab.db --from -1h --text MEAS
  parley find lab.db --session 3 --peer 10.0.0.7 --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			now := time.Now()
			q := store.Query{Text: o.text, Peer: o.peer, Session: o.session, Limit: o.limit}
			var err error
			if q.From, err = pointInTime("--from", o.from, now); err != nil {
				return err
			}
			if q.To, err = pointInTime("--to", o.to, now); err != nil {
				return err
			}
			if o.limit < 0 || o.session < 0 {
				return fault.Usagef("--limit and --session can't be negative")
			}
			return findIn(cmd.Context(), a, args[0], q, o.json)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.text, "text", "", "only values with this `TEXT` in them")
	f.StringVar(&o.from, "from", "", "only what was said at this `TIME` or later")
	f.StringVar(&o.to, "to", "", "only what was said at this `TIME` or earlier")
	f.StringVar(&o.peer, "peer", "", "only connections of the client `HOST[:PORT]`")
	f.Int64Var(&o.session, "session", 0, "only the session `N`")
	f.IntVarP(&o.limit, "limit", "n", 0, "at most `N` entries (default all)")
	f.BoolVar(&o.json, "json", false, "print an object for each entry")
	return cmd
}

// pointInTime reads a point in time or a time before now. An empty text is none.
func pointInTime(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		if d > 0 {
			return time.Time{}, fault.Usagef("%s %s: a time before now has a minus: -%s", flag, text, text)
		}
		return now.Add(d), nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, fault.Usagef("%s %q: want a time before now, such as -1h or -90s, or a point in time such as %s", flag, text, now.UTC().Format(time.RFC3339))
	}
	return t, nil
}

func findIn(ctx context.Context, a *app.App, path string, q store.Query, asJSON bool) error {
	db, err := OpenStore(ctx, path)
	if err != nil {
		return err
	}
	defer db.Close()
	n := 0
	var line []byte
	err = db.Find(ctx, q, func(f store.Found) (err error) {
		n++
		if asJSON {
			line, err = archive.FoundLine(line[:0], &f)
		} else {
			line, err = appendFound(line[:0], &f)
		}
		if err == nil {
			_, err = a.Stdout.Write(line)
		}
		return err
	})
	if err == nil && n == 0 {
		return errors.New("nothing found")
	}
	return storeFault(err)
}

// appendFound appends what was found as people read it.
func appendFound(dst []byte, f *store.Found) ([]byte, error) {
	const most = 1024
	arrow := "-"
	switch recording.Dir(f.Dir) {
	case recording.ToServer:
		arrow = ">"
	case recording.ToClient:
		arrow = "<"
	}
	dst = fmt.Appendf(dst, "%d %s #%d %s ", f.Session, f.Time.Local().Format("2006-01-02 15:04:05.000000"), f.Conn, arrow)
	if f.Event != "" {
		dst = append(dst, "("+f.Event+")"...)
	} else {
		if f.Form == store.FormBytes {
			dst = fmt.Appendf(dst, "hex:%x", f.Body[:min(len(f.Body), most/2)])
		} else {
			if f.Kind != "text" && f.Kind != "" {
				dst = append(dst, f.Kind+":"...)
			}
			dst = terminal.AppendVisible(dst, f.Body[:min(len(f.Body), most)])
		}
		if len(f.Body) > most/2 && f.Form == store.FormBytes || len(f.Body) > most {
			dst = fmt.Appendf(dst, "… (%d bytes)", len(f.Body))
		}
	}
	return append(dst, '\n'), nil
}

func ImportCommand(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use:   "import DB FILE…",
		Short: "Put recordings into a store",
		Long: `Each FILE, a recording as "parley tap --record" makes it or a person has written
it, becomes a session of the store, which is made if there is none. "parley
export" gives it back byte for byte. "-" is standard input.`,
		Example: `  parley import lab.db session.jsonl`,
		Args:    cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return imports(cmd.Context(), a, args[0], args[1:])
		},
	}
}

func imports(ctx context.Context, a *app.App, path string, files []string) error {
	// A file that is not there makes no store.
	if err := app.FileName("the store", path); err != nil {
		return err
	}
	for _, name := range files {
		if err := app.StreamName("a recording", name); err != nil {
			return err
		}
		if _, err := os.Stat(name); err != nil && name != "-" {
			return fault.AsUsage(err)
		}
	}
	db, err := sqlite.Create(ctx, path)
	if err != nil {
		return storeFault(err)
	}
	defer db.Close()
	for _, name := range files {
		in, end, done, err := openRecording(a, name)
		if err != nil {
			return err
		}
		defer done()
		session, n, err := archive.Import(ctx, db, name, in, end)
		if errors.As(err, new(*recording.UnfinishedError)) {
			a.Log.Warn(err.Error())
		} else if errors.As(err, new(*recording.PlaceError)) {
			return fault.AsUsage(err)
		} else if err != nil {
			return err
		}
		fmt.Fprintf(a.Stdout, "session %d: %d entries of %s\n", session, n, name)
	}
	return nil
}

// openRecording opens a recording to be read twice, and says when it was last written. What
// comes through a pipe is copied into a file first, until done is called.
func openRecording(a *app.App, name string) (f *os.File, end time.Time, done func(), err error) {
	in := a.Stdin
	if name != "-" {
		if f, err = os.Open(name); err != nil {
			return nil, end, nil, fault.AsUsage(err)
		}
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			return f, info.ModTime(), func() { f.Close() }, nil
		}
		defer f.Close()
		in = f
	}
	if f, err = os.CreateTemp("", "parley-import-"); err != nil {
		return nil, end, nil, err
	}
	done = func() { f.Close(); os.Remove(f.Name()) }
	if _, err = io.Copy(f, in); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		done()
		return nil, end, nil, fmt.Errorf("a copy of %s: %w", name, err)
	}
	return f, time.Now(), done, nil
}

func ExportCommand(a *app.App) *cobra.Command {
	var session int64
	var format, out string
	var force bool
	cmd := &cobra.Command{
		Use:   "export DB",
		Short: "Take a session out of a store: recording, table, capture, array",
		Long: `Writes a session to standard output, or to a file.

  jsonl   the recording, byte for byte as it came in; "parley replay" plays it
  csv     a table with a row for each message and event
  pcapng  for Wireshark: the messages' values as TCP payload
  npy     for numpy.load: answers that are numbers, as rows with the time in
          front, or bytes of one length

Without --session the sessions are listed.`,
		Example: `  parley export lab.db
  parley export lab.db --session 42 --to csv -o run.csv`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if session == 0 && !cmd.Flags().Changed("session") {
				return listSessions(cmd.Context(), a, args[0])
			}
			if !slices.Contains(archive.Formats, format) {
				return fault.Usagef("--to %q: want %s", format, strings.Join(archive.Formats, ", "))
			}
			if out == "-" { // as without it
				out = ""
			}
			return exportTo(cmd.Context(), a, args[0], session, format, out, force)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.Int64Var(&session, "session", 0, "the session `N`")
	f.StringVar(&format, "to", "jsonl", "the `FORMAT`: "+strings.Join(archive.Formats, ", "))
	f.StringVarP(&out, "output", "o", "", "write to `FILE`, - is standard output (default)")
	f.BoolVar(&force, "force", false, "overwrite it")
	cmd.RegisterFlagCompletionFunc("to", cobra.FixedCompletions(archive.Formats, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// listSessions lists what a store has.
func listSessions(ctx context.Context, a *app.App, path string) error {
	db, err := OpenStore(ctx, path)
	if err != nil {
		return err
	}
	defer db.Close()
	all, err := db.Sessions(ctx)
	if err != nil {
		return storeFault(err)
	}
	fmt.Fprintln(a.Stdout, "SESSION  BEGAN                ENTRIES  BYTES       SOURCE  OF")
	for _, s := range all {
		fmt.Fprintf(a.Stdout, "%-8d %s  %-8d %-11d %-7s %s\n", s.ID, s.Began.Local().Format("2006-01-02 15:04:05"), s.Entries, s.Bytes, s.Source, terminal.Visible(s.URL))
	}
	return nil
}

func exportTo(ctx context.Context, a *app.App, path string, session int64, format, out string, force bool) error {
	db, err := OpenStore(ctx, path)
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.Session(ctx, session); err != nil {
		return storeFault(err)
	}
	if out == "" {
		return storeFault(archive.Export(ctx, db, session, format, a.Stdout))
	}
	return storeFault(writeWhole("-o", out, force, func(w io.Writer) error {
		return archive.Export(ctx, db, session, format, w)
	}))
}

// writeWhole makes a private file of what write writes. When that fails there is no file, and
// one that was there before stays as it was.
func writeWhole(flag, name string, force bool, write func(io.Writer) error) error {
	part := name
	if info, err := os.Stat(name); err == nil && !force {
		return fault.Usagef("%s: %s is there already: use another name, or --force", flag, name)
	} else if err != nil || info.Mode().IsRegular() { // not a device or a pipe
		part = name + ".part"
	}
	f, err := private.Create(flag, part, true)
	if err != nil {
		return err
	}
	if err = errors.Join(write(f), f.Close()); err == nil && part != name {
		err = os.Rename(part, name)
	}
	if err != nil && part != name {
		os.Remove(part)
	}
	return err
}

func VerifyCommand(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use:   "verify DB",
		Short: "Check that a store is as it was written",
		Long: `Reads the whole store and compares every checksum. Exit code 0: all is as it was
written; 1: something is not, each place on a line; 2: there is no store.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return verifyStore(cmd.Context(), a, args[0])
		},
	}
}

func verifyStore(ctx context.Context, a *app.App, path string) error {
	db, err := OpenStore(ctx, path)
	if err != nil {
		return err
	}
	defer db.Close()
	const most = 100
	n := 0
	err = db.Verify(ctx, func(d store.Damage) {
		if n++; n <= most {
			fmt.Fprintln(a.Stdout, terminal.Visible(d.String()))
		}
	})
	switch {
	case err != nil:
		return fmt.Errorf("the rest can't be read: %w", err)
	case n > most:
		return fmt.Errorf("%s: %d places are damaged; these are the first %d", path, n, most)
	case n > 0:
		return fmt.Errorf("%s: %d places are damaged", path, n)
	}
	fmt.Fprintln(a.Stdout, "all is as it was written")
	return nil
}
