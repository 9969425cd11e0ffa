package main

import (
	"runtime/debug"
	"testing"
)

// What the go command knows becomes the version, the commit and its date, however
// the binary was made.
//
// Verifies: FIRST-03
func TestVersion(t *testing.T) {
	vcs := []debug.BuildSetting{
		{Key: "vcs.revision", Value: "149dfbdc93fafd239e554364531c6d827c93632b"},
		{Key: "vcs.time", Value: "2026-11-29T11:56:36Z"},
		{Key: "vcs.modified", Value: "false"},
	}
	changed := append(vcs[:2:2], debug.BuildSetting{Key: "vcs.modified", Value: "true"})
	for _, tt := range []struct {
		name, main string
		settings   []debug.BuildSetting
		want       string
	}{
		{"go install of a release", "v0.1.0", nil, "0.1.0"},
		{"go install of a commit", "v0.0.0-20261129115636-149dfbdc93fa", nil, "devel (commit 149dfbdc93fa, 2026-11-29)"},
		{"go install of a commit behind a release", "v0.1.1-0.20261129115636-149dfbdc93fa", nil, "devel (commit 149dfbdc93fa, 2026-11-29)"},
		{"go build at a tag", "v0.1.0", vcs, "0.1.0 (commit 149dfbdc93fa, 2026-11-29)"},
		{"go build", "v0.0.0-20261129115636-149dfbdc93fa", vcs, "devel (commit 149dfbdc93fa, 2026-11-29)"},
		{"go build with changes", "v0.0.0-20261129115636-149dfbdc93fa+dirty", changed, "devel (commit 149dfbdc93fa, 2026-11-29, with changes)"},
		{"go build in a workspace", "(devel)", vcs, "devel (commit 149dfbdc93fa, 2026-11-29)"},
		{"go build without a repository", "(devel)", nil, "devel"},
		{"go run of a file", "", nil, "devel"},
		{"a version that only looks like one of a commit", "v1.0.0-rc1", nil, "1.0.0-rc1"},
	} {
		info := &debug.BuildInfo{Settings: tt.settings}
		info.Main.Version = tt.main
		if got := stampOf(info).String(); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
