// Package top is the room of parley top: a server's connections as a table, once, again
// and again, or on the whole screen.
package top

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/listen"
	"github.com/parley-net/parley/cmd/parley/internal/cli/terminal"
	"github.com/parley-net/parley/cmd/parley/internal/cli/wording"
	"github.com/parley-net/parley/cmd/parley/internal/monitor"
)

// topOptions are the flags of top.
type topOptions struct {
	sort         string
	closed, json bool
	once         bool
	every        time.Duration
	kill         []string
	killAll      bool
}

func Command(a *app.App) *cobra.Command {
	var o topOptions
	cmd := &cobra.Command{
		Use:   "top [HOST:]PORT",
		Short: "Show and close the connections of a server",
		Long: `Shows the connections of a command that was started with --monitor [HOST:]PORT
(serve, bridge, replay), the newest figures every second. On the screen, the
arrow keys choose a connection, k closes it, s sorts by another column, c shows
closed ones too, q leaves.

Without a terminal, or with --once, it prints the table once; with --json one
object for each connection.

Connections can be closed from the server's own machine only. --kill-all closes
those that are open now, 20 of them in a second, so that their clients do not all
come back at the same moment.

The same figures for scripts and Prometheus:

  http://HOST:PORT/          the dashboard, for a browser
  /connz                     connections as JSON: ?state=open|closed|any
                             ?sort=COLUMN ?limit=N
  /statz                     counters of the servers as JSON
  /metrics                   the same for Prometheus
  /healthz /readyz           200; readyz 503 when the server is ending, or a store
                             of tap or record fails
  POST /close?id=ID, ?all=1  close connections; with an id also &reason=TEXT,
                             and &ban=SECONDS refuses the address so long`,
		Example: `  parley serve tinyproto://:8088 --relay --monitor 9090
  parley top 9090
  parley top 9090 --json --sort idle
  parley top 9090 --kill 7`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runTop(cmd.Context(), a, args[0], o)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.sort, "sort", "id", "sort by `COLUMN`: "+strings.Join(monitor.Orders(), ", "))
	f.BoolVar(&o.closed, "closed", false, "show connections that have closed too, and why")
	f.BoolVar(&o.json, "json", false, "print the connections as JSON, one object per line")
	f.BoolVar(&o.once, "once", false, "print the table once, also on a terminal")
	f.DurationVar(&o.every, "every", time.Second, "on the screen: show the newest figures after `TIME`")
	f.StringArrayVar(&o.kill, "kill", nil, "close the connection `ID`")
	f.BoolVar(&o.killAll, "kill-all", false, "close all connections, some at a time")
	cmd.MarkFlagsMutuallyExclusive("kill", "kill-all")
	cmd.RegisterFlagCompletionFunc("sort", cobra.FixedCompletions(monitor.Orders(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// runTop does what the command promises.
func runTop(ctx context.Context, a *app.App, place string, o topOptions) error {
	addr, err := listen.MonitorAddr(strings.TrimSuffix(strings.TrimPrefix(place, "http://"), "/"))
	switch {
	case err != nil:
		return fault.Usagef("%q: %w, as in the server's line \"monitor on\"", place, err)
	case !slices.Contains(monitor.Orders(), o.sort):
		return fault.Usagef("--sort %s: want %s", o.sort, strings.Join(monitor.Orders(), ", "))
	case o.every < 10*time.Millisecond:
		return fault.Usagef("--every %v: want at least 10ms", o.every)
	}
	c := &monitorClient{addr: addr, http: http.Client{Timeout: a.Timeout}}
	if a.Timeout == 0 {
		c.http.Timeout = app.DefaultDial
	}
	switch {
	case o.killAll:
		var closing monitor.Closing
		if err := c.do(ctx, "POST", "close?all=1", &closing); err != nil {
			return err
		}
		fmt.Fprintf(a.Stderr, "closing %s, %d per second\n", wording.Plural(closing.Closing, "connection"), closing.PerSecond)
		return nil
	case len(o.kill) > 0:
		for _, id := range o.kill {
			if err := c.close(ctx, id); err != nil {
				return err
			}
		}
		return nil
	case !o.json && !o.once && !terminal.IsDumb() && terminal.IsTerminal(a.Stdin) && terminal.IsTerminal(a.Stdout):
		return topScreen(ctx, a, c, o)
	}
	conns, err := c.conns(ctx, o.sort, o.closed)
	if err != nil {
		return err
	}
	if o.json {
		e := json.NewEncoder(a.Stdout)
		e.SetEscapeHTML(false)
		for _, r := range conns.Connections {
			if err := e.Encode(r); err != nil {
				return err
			}
		}
		return nil
	}
	width := anyWidth
	if f, ok := a.Stdout.(*os.File); ok && terminal.IsTerminal(a.Stdout) {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil {
			width = w
		}
	}
	lines := append(topTable(conns.Connections, width), topTotals(conns.Connections))
	for i, line := range lines {
		if width != anyWidth {
			lines[i] = cutTo(width, line)
		}
	}
	_, err = io.WriteString(a.Stdout, strings.Join(lines, "\n")+"\n")
	return err
}

// column is one of the table; of those that do not fit the one with the largest
// weight goes first.
type column struct {
	head   string
	weight int
	cell   func(r monitor.Row) string
}

// topColumns are the columns. Wide ones are for wide screens only.
var topColumns = []column{
	{"ID", 0, func(r monitor.Row) string { return oneLine(r.ID) }},
	{"NAME", 1, func(r monitor.Row) string { return oneLine(r.Name) }},
	{"ADDRESS", 0, func(r monitor.Row) string { return oneLine(r.Address) }},
	{"PROTOCOL", 4, func(r monitor.Row) string {
		if r.TLS {
			return oneLine(r.Proto) + "+tls"
		}
		return oneLine(r.Proto)
	}},
	{"AGE", 5, func(r monitor.Row) string { return age(r.AgeSeconds) }},
	{"IDLE", 2, func(r monitor.Row) string { return age(r.IdleSeconds) }},
	{"IN", 1, func(r monitor.Row) string { return fmt.Sprint(r.MessagesIn) }},
	{"OUT", 1, func(r monitor.Row) string { return fmt.Sprint(r.MessagesOut) }},
	{"IN/s", 3, func(r monitor.Row) string { return fmt.Sprintf("%.1f", r.MessagesInRate) }},
	{"OUT/s", 3, func(r monitor.Row) string { return fmt.Sprintf("%.1f", r.MessagesOutRate) }},
	{"BYTES IN", wide, func(r monitor.Row) string { return wording.Amount(int64(r.BytesIn)) }},
	{"BYTES OUT", wide, func(r monitor.Row) string { return wording.Amount(int64(r.BytesOut)) }},
	{"IN B/s", wide + 1, func(r monitor.Row) string { return wording.Amount(int64(r.BytesInRate)) }},
	{"OUT B/s", wide + 1, func(r monitor.Row) string { return wording.Amount(int64(r.BytesOutRate)) }},
	{"PENDING", 6, func(r monitor.Row) string { return wording.Amount(int64(r.Pending)) }},
	{"LOST", wide + 2, func(r monitor.Row) string { return fmt.Sprint(r.Lost) }},
	{"LAST", 0, func(r monitor.Row) string {
		if r.Closed != nil {
			return oneLine(r.Reason)
		}
		return oneLine(r.Last)
	}},
}

const (
	// wide is the weight of columns that only a wide screen has.
	wide = 10
	// anyWidth is for a table that goes to a file: all but the wide columns.
	anyWidth = 0
	// leastLast is what the last message has room for at least.
	leastLast = 28
)

// topTable returns the table, its head first, in the columns that fit a width.
func topTable(rows []monitor.Row, width int) []string {
	named := slices.ContainsFunc(rows, func(r monitor.Row) bool { return r.Name != "" })
	var cols []column
	for _, c := range topColumns {
		if c.head == "NAME" && !named || width == anyWidth && c.weight >= wide {
			continue
		}
		cols = append(cols, c)
	}
	sizes := make(map[string]int)
	for _, c := range cols {
		sizes[c.head] = len(c.head)
		for _, r := range rows {
			sizes[c.head] = max(sizes[c.head], len([]rune(c.cell(r))))
		}
	}
	sizes["LAST"] = leastLast
	for width != anyWidth {
		sum, worst := 0, 0
		for i, c := range cols {
			sum += sizes[c.head] + 2
			if c.weight >= cols[worst].weight {
				worst = i
			}
		}
		if sum-2 <= width || cols[worst].weight == 0 {
			break
		}
		cols = slices.Delete(cols, worst, worst+1)
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	line := func(cell func(column) string) {
		cells := make([]string, len(cols))
		for i, c := range cols {
			cells[i] = cell(c)
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	line(func(c column) string { return c.head })
	for _, r := range rows {
		line(func(c column) string { return c.cell(r) })
	}
	w.Flush()
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
}

// topTotals are the figures of all connections together.
func topTotals(rows []monitor.Row) string {
	var t monitor.Row
	open := 0
	for _, r := range rows {
		if r.Closed == nil {
			open++
		}
		t.Counts.Add(r.Counts)
		t.Rates.Add(r.Rates)
	}
	return fmt.Sprintf("%d open  in %d (%.1f/s, %s)  out %d (%.1f/s, %s)  pending %s", open, t.MessagesIn, t.MessagesInRate, wording.Amount(int64(t.BytesIn)),
		t.MessagesOut, t.MessagesOutRate, wording.Amount(int64(t.BytesOut)), wording.Amount(int64(t.Pending)))
}

// oneLine returns text from outside as a cell of the table.
func oneLine(text string) string {
	return strings.ReplaceAll(string(terminal.AppendOneLine(nil, []byte(text))), "\t", " ")
}

// age prints a time in seconds for a person.
func age(s float64) string {
	d := time.Duration(s * float64(time.Second))
	switch {
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d < 48*time.Hour:
		return d.Round(time.Second).String()
	}
	return fmt.Sprintf("%dd", int(d.Hours())/24)
}

// monitorClient asks a --monitor.
type monitorClient struct {
	addr string
	http http.Client
}

func (c *monitorClient) conns(ctx context.Context, sort string, closed bool) (monitor.Conns, error) {
	q := url.Values{"sort": {sort}, "state": {"open"}}
	if closed {
		q.Set("state", "any")
	}
	var answer monitor.Conns
	err := c.do(ctx, "GET", "connz?"+q.Encode(), &answer)
	return answer, err
}

func (c *monitorClient) close(ctx context.Context, id string) error {
	return c.do(ctx, "POST", "close?id="+url.QueryEscape(id), &monitor.Closing{})
}

// do asks for path and reads the answer, which is JSON.
func (c *monitorClient) do(ctx context.Context, method, path string, answer any) error {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+c.addr+"/"+path, nil)
	if err != nil {
		return fault.AsUsage(err)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return c.fault(ctx, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return c.fault(ctx, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", c.addr, strings.TrimSpace(string(body)))
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return c.foreign(err)
	}
	return nil
}

// fault says why there is no answer.
func (c *monitorClient) fault(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case fault.IsTimeout(err):
		return &fault.Error{Code: fault.Timeout, Err: fmt.Errorf("%s: no answer within %v", c.addr, c.http.Timeout), Hint: "is that the server's line \"monitor on\"?"}
	case fault.IsDial(err):
		return &fault.Error{Code: fault.Connect, Err: fmt.Errorf("can't connect to %s: %w", c.addr, listen.Cause(err)), Hint: "was the server started with --monitor, and is this its line \"monitor on\"?"}
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return c.foreign(err)
}

func (c *monitorClient) foreign(err error) error {
	return &fault.Error{Code: fault.Protocol, Err: fmt.Errorf("%s: that is no answer of a --monitor: %w", c.addr, err), Hint: "the port that --monitor names is meant, not the one where clients connect"}
}
