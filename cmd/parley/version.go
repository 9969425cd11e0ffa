package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// What a release is made from; its build says it by -ldflags "-X main.release=…". A
// build without them is told by the go command, see stamped.
var (
	release string // "0.1.0"
	commit  string // of the source
	date    string // of that commit, RFC 3339
	changes string // not empty: and of changes that are in no commit
)

func versionCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, the commit it was made from and its date",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fmt.Fprintf(cmd.OutOrStdout(), "parley %s %s %s/%s\n", stamped(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		},
	}
}

// version is the release, or "devel".
func version() string { return stamped().version }

// stamp is what a binary knows of where it comes from.
type stamp struct {
	version string // "0.1.0" or "devel"
	commit  string // or "", where only the version is known
	date    string // of the commit, or ""
	changed bool   // files had changes that are in no commit
}

// String is, for instance, "0.1.0 (commit 149dfbdc93fa, 2026-11-29)".
func (s stamp) String() string {
	var facts []string
	if s.commit != "" {
		facts = append(facts, "commit "+s.commit[:min(12, len(s.commit))])
	}
	if day, _, _ := strings.Cut(s.date, "T"); day != "" {
		facts = append(facts, day)
	}
	if s.changed {
		facts = append(facts, "with changes")
	}
	if facts == nil {
		return s.version
	}
	return s.version + " (" + strings.Join(facts, ", ") + ")"
}

// stamped returns the stamp of this binary.
func stamped() stamp {
	if release != "" {
		return stamp{version: release, commit: commit, date: date, changed: changes != ""}
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return stamp{version: "devel"}
	}
	return stampOf(info)
}

// stampOf reads what the go command has written: go build beside the source names the
// commit; go install MODULE@VERSION only the version, which is the commit's name, or
// has it inside.
func stampOf(info *debug.BuildInfo) stamp {
	s := stamp{version: "devel"}
	for _, b := range info.Settings {
		switch b.Key {
		case "vcs.revision":
			s.commit = b.Value
		case "vcs.time":
			s.date = b.Value
		case "vcs.modified":
			s.changed = b.Value == "true"
		}
	}
	v, _, _ := strings.Cut(strings.TrimPrefix(info.Main.Version, "v"), "+")
	if v == "" || v == "(devel)" {
		return s
	}
	at, id, ok := pseudo(v)
	if !ok {
		s.version = v
		return s
	}
	if s.commit == "" {
		s.commit, s.date = id, at.Format(time.RFC3339)
	}
	return s
}

// pseudo takes apart a version that the go command has made for a commit without a
// tag: it ends with the commit's time and the beginning of its hash.
func pseudo(v string) (at time.Time, id string, ok bool) {
	const stampLen, hashLen = len("20060102150405"), 12
	dash := len(v) - hashLen - 1
	if dash < stampLen || v[dash] != '-' {
		return at, "", false
	}
	at, err := time.Parse("20060102150405", v[dash-stampLen:dash])
	return at, v[dash+1:], err == nil
}
