// Package nodes is the room of the commands that look at other nodes and are none:
// parley nodes, rooms, who and kill.
package nodes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley/bus"
	"github.com/parley-net/parley/cluster"
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/join"
	"github.com/parley-net/parley/cmd/parley/internal/cli/terminal"
)

// looking is what the commands that look at other nodes share.
type looking struct{ json bool }

// lookCmd makes a command that looks at the nodes and is none itself.
func lookCmd(a *app.App, cmd *cobra.Command, run func(ctx context.Context, a *app.App, n *cluster.Node, o looking, args []string) error) *cobra.Command {
	var o looking
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return lookAround(cmd.Context(), a, func(ctx context.Context, n *cluster.Node) error { return run(ctx, a, n, o, args) })
	}
	f := cmd.Flags()
	f.SortFlags = false
	if cmd.Name() != "kill" {
		f.BoolVar(&o.json, "json", false, "one JSON object a line")
	}
	a.JoinFlags(cmd)
	return cmd
}

const lookHelp = `

The nodes are reached through their hub (--join URL --secret-file FILE), on the
hub's own machine by its folder (--bus-dir DIR), or through a NATS (--bus URL). What
is shown is asked of those who know; a node that does not answer within 2s is named on
standard error, and what it had said last is shown as stale until it is gone, 15s after
its last word.`

func Command(a *app.App) *cobra.Command {
	return lookCmd(a, &cobra.Command{
		Use:     "nodes",
		Short:   "List the servers that are joined",
		Long:    "Lists the nodes: processes of parley that are joined by a bus." + lookHelp,
		Example: "  parley nodes --join tls://lab1:7422 --secret-file secret\n  parley nodes --bus-dir data --json",
		Args:    cobra.NoArgs,
	}, listNodes)
}

func RoomsCommand(a *app.App) *cobra.Command {
	return lookCmd(a, &cobra.Command{
		Use:     "rooms",
		Short:   "List the rooms of all nodes",
		Long:    "Lists the rooms, how many are in each, and on which nodes." + lookHelp,
		Example: "  parley rooms --join tls://lab1:7422 --secret-file secret",
		Args:    cobra.NoArgs,
	}, listRooms)
}

func WhoCommand(a *app.App) *cobra.Command {
	return lookCmd(a, &cobra.Command{
		Use:     "who [ROOM]",
		Short:   "List who is in a room, on all nodes",
		Long:    "Lists the connections and pages that are in a room, or in any." + lookHelp,
		Example: "  parley who cam1 --join tls://lab1:7422 --secret-file secret --json",
		Args:    cobra.MaximumNArgs(1),
	}, listWho)
}

func KillCommand(a *app.App) *cobra.Command {
	var reason string
	var ban time.Duration
	cmd := lookCmd(a, &cobra.Command{
		Use:   "kill NODE/ID",
		Short: "End a connection of any node, with a reason and a ban",
		Long: `Ends the connection that "parley who" lists as ID on NODE. The reason is in the log of
its server and is told where the protocol can. With --ban its IP address is refused at that node
for a while: a client that comes straight back is not served.`,
		Example: "  parley kill lab2/1.4 --reason 'floods the room' --ban 5m --bus-dir data",
		Args:    cobra.ExactArgs(1),
	}, func(ctx context.Context, _ *app.App, n *cluster.Node, _ looking, args []string) error {
		if ban < 0 {
			return fault.Usagef("--ban %v: want more than 0", ban)
		}
		return n.Kill(ctx, args[0], reason, ban)
	})
	cmd.Flags().StringVar(&reason, "reason", "", "why, `TEXT`")
	cmd.Flags().DurationVar(&ban, "ban", 0, "refuse its address there for so long, `TIME`")
	return cmd
}

// lookAround runs fn with a way to the nodes.
func lookAround(ctx context.Context, a *app.App, fn func(context.Context, *cluster.Node) error) error {
	if !a.Bus.Any() && a.Bus.Dir == "" {
		return fault.Usagef("where the nodes are is missing: --join URL --secret-file FILE, on the hub's machine --bus-dir DIR, or --bus URL")
	}
	if err := join.Check(a); err != nil {
		return err
	}
	most := 10 * time.Second
	if a.Timeout > 0 {
		most = a.Timeout
	}
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	l, err := join.OpenNATS(ctx, a, true)
	if err != nil {
		return err
	}
	defer l.Close()
	n, err := cluster.Start(ctx, l, cluster.Options{Namespace: a.Bus.Namespace, Observer: true, Logger: a.Log})
	if err != nil {
		return unled(a, err)
	}
	defer n.Close(ctx)
	return fn(ctx, n)
}

// unled says why the bus, which is there, knows nothing.
func unled(a *app.App, err error) error {
	switch {
	case !errors.Is(err, bus.ErrNoBus) && !errors.Is(err, context.DeadlineExceeded):
		return &fault.Error{Code: fault.Connect, Err: err}
	case a.Bus.Join != "":
		return &fault.Error{Code: fault.Connect, Err: fmt.Errorf("the hub at %s does not answer: %w", a.Bus.Join, err),
			Hint: "has its disk room, and if it is one of a --cluster, are most of them there? Until then each serves its own clients"}
	}
	return &fault.Error{Code: fault.Connect, Err: fmt.Errorf("nobody leads those who keep what is asked for: %w", err),
		Hint: "of a --cluster, or of NATS servers, most must be there and reach each other: start those that are missing. Until then each serves its own clients"}
}

// tellNone says what there is, where nobody is found.
func tellNone(a *app.App, n *cluster.Node, room string) {
	in := ""
	if a.Bus.Namespace != "" {
		in = " in namespace " + terminal.Visible(a.Bus.Namespace)
	}
	all := n.Nodes()
	if len(all) == 0 {
		fmt.Fprintf(a.Stderr, "parley: no node is there%s\n", in)
		return
	}
	rooms := make(map[string]bool)
	for _, i := range all {
		for name := range i.Rooms {
			rooms[name] = true
		}
	}
	switch {
	case room == "" && len(rooms) == 0:
		fmt.Fprintf(a.Stderr, "parley: no node has a room%s\n", in)
	case room == "" || rooms[room]:
		fmt.Fprintf(a.Stderr, "parley: nobody is there now%s\n", in)
	case len(rooms) == 0:
		fmt.Fprintf(a.Stderr, "parley: no node has a room %s, or any other%s\n", terminal.Visible(room), in)
	default:
		fmt.Fprintf(a.Stderr, "parley: no node has a room %s%s: there is %s\n", terminal.Visible(room), in, terminal.Visible(strings.Join(slices.Sorted(maps.Keys(rooms)), ", ")))
	}
}

// tellSilent names the nodes that have not answered.
func tellSilent(a *app.App, names []string) {
	for _, name := range names {
		fmt.Fprintf(a.Stderr, "parley: node %s does not answer\n", terminal.Visible(name))
	}
}

// writeTable writes rows of cells, the first row being the heads.
func writeTable(a *app.App, rows [][]string) error {
	w := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		for i := range r {
			r[i] = terminal.Visible(r[i])
		}
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	return w.Flush()
}

// jsonLines writes each of all as a line.
func jsonLines[T any](a *app.App, all []T) error {
	e := json.NewEncoder(a.Stdout)
	e.SetEscapeHTML(false)
	for _, v := range all {
		if err := e.Encode(v); err != nil {
			return err
		}
	}
	return nil
}

func listNodes(ctx context.Context, a *app.App, n *cluster.Node, o looking, _ []string) error {
	_, silent := n.Who(ctx, "")
	tellSilent(a, silent)
	all := n.Nodes()
	if len(all) == 0 {
		tellNone(a, n, "")
	}
	if o.json {
		return jsonLines(a, all)
	}
	rows := [][]string{{"NODE", "HOST", "PID", "VERSION", "UP", "STATE", "ROOMS", "OWNS", "SERVES"}}
	for _, i := range all {
		rooms := slices.Sorted(maps.Keys(i.Rooms))
		rows = append(rows, []string{i.Name, i.Host, fmt.Sprint(i.PID), i.Version, time.Since(i.Started).Round(time.Second).String(), presence(i.Stale), strings.Join(rooms, " "), strings.Join(i.Owns, " "), strings.Join(i.URLs, " ")})
	}
	return writeTable(a, rows)
}

// presence says whether what is shown is so, or was.
func presence(stale bool) string {
	if stale {
		return "stale"
	}
	return "here"
}

// roomRow is a room on all nodes.
type roomRow struct {
	Room    string   `json:"room"`
	Members int      `json:"members"`
	Nodes   []string `json:"nodes"`
	Stale   []string `json:"stale,omitempty"` // of Nodes, those whose members are as they were known
}

func listRooms(ctx context.Context, a *app.App, n *cluster.Node, o looking, _ []string) error {
	members, silent := n.Who(ctx, "")
	tellSilent(a, silent)
	byName := make(map[string]*roomRow)
	for _, i := range n.Nodes() {
		for name := range i.Rooms {
			r := byName[name]
			if r == nil {
				r = &roomRow{Room: name}
				byName[name] = r
			}
			r.Nodes = append(r.Nodes, i.Name)
			if i.Stale {
				r.Stale = append(r.Stale, i.Name)
				r.Members += i.Rooms[name].Members
			}
		}
	}
	for _, m := range members { // the registry is a little old
		if r := byName[m.Room]; r != nil && !slices.Contains(r.Stale, m.Node) {
			r.Members++
		}
	}
	var all []roomRow
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		all = append(all, *byName[name])
	}
	if len(all) == 0 {
		tellNone(a, n, "")
	}
	if o.json {
		return jsonLines(a, all)
	}
	rows := [][]string{{"ROOM", "MEMBERS", "NODES", "STALE"}}
	for _, r := range all {
		rows = append(rows, []string{r.Room, fmt.Sprint(r.Members), strings.Join(r.Nodes, " "), strings.Join(r.Stale, " ")})
	}
	return writeTable(a, rows)
}

func listWho(ctx context.Context, a *app.App, n *cluster.Node, o looking, args []string) error {
	room := ""
	if len(args) > 0 {
		if room = args[0]; room == "" {
			return fault.Usagef("a room has a name")
		}
	}
	all, silent := n.Who(ctx, room)
	tellSilent(a, silent)
	if len(all) == 0 {
		tellNone(a, n, room)
	}
	if o.json {
		return jsonLines(a, all)
	}
	rows := [][]string{{"NODE/ID", "PEER", "PROTOCOL", "ROOM", "STATE", "NAME"}}
	for _, m := range all {
		rows = append(rows, []string{m.Node + "/" + m.ID, m.Peer, m.Wire, m.Room, presence(m.Stale), m.Name})
	}
	return writeTable(a, rows)
}
