package web

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/parley-net/parley/recording"
)

// filter chooses what a subscription hears. An empty field chooses all.
type filter struct {
	Text    string `json:"text"`    // a literal part of the value
	Pattern string `json:"pattern"` // a regular expression (RE2) that fits in the value
	Kind    string `json:"kind"`
	Dir     string `json:"dir"`
	Peer    string `json:"peer"` // HOST, HOST:PORT, NODE or NODE/ID

	pattern *regexp.Regexp
}

// maxFilter bounds the texts of a filter, in bytes.
const maxFilter = 1000

// check returns what is wrong with the filter, and makes it ready.
func (f *filter) check() (err error) {
	if f == nil {
		return nil
	}
	if len(f.Text) > maxFilter || len(f.Pattern) > maxFilter {
		return fmt.Errorf("a filter's text has at most %d bytes", maxFilter)
	}
	if f.Pattern != "" {
		if f.pattern, err = regexp.Compile(f.Pattern); err != nil {
			return fmt.Errorf(`"pattern": %w`, err)
		}
	}
	return nil
}

// fits reports whether the filter chooses m. What says that messages are missing is
// for everybody.
func (f *filter) fits(m Message) bool {
	if f == nil || m.Missed > 0 || m.Error != "" {
		return true
	}
	if f.Dir != "" && f.Dir != m.Dir || f.Peer != "" && !f.fromPeer(m) {
		return false
	}
	if f.Kind == "" && f.Text == "" && f.pattern == nil {
		return true
	}
	kind, value := plainValue(m)
	return (f.Kind == "" || f.Kind == kind) &&
		(f.Text == "" || bytes.Contains(value, []byte(f.Text))) &&
		(f.pattern == nil || f.pattern.Match(value))
}

func (f *filter) fromPeer(m Message) bool {
	return m.From == f.Peer || m.Peer == f.Peer || strings.HasPrefix(m.From, f.Peer+"/") ||
		strings.HasPrefix(m.Peer, strings.Trim(f.Peer, "[]")+":") || strings.HasPrefix(m.Peer, f.Peer+"]:")
}

// plainValue returns a message's kind and its value as a recording has it: text, the
// bytes themselves, or JSON.
func plainValue(m Message) (kind string, value []byte) {
	v := recording.Recorded(m.Message)
	switch {
	case v.Text != nil:
		return v.Kind, []byte(*v.Text)
	case v.B64 != nil:
		return v.Kind, v.B64
	}
	return v.Kind, v.JSON
}
