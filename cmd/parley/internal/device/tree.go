package device

import (
	"cmp"
	"slices"
	"strings"
)

// tree finds the commands of a file by their headers, however many there are.
type tree struct {
	root treeNode
}

// treeNode is a mnemonic of a header. Its children are under each form that
// they may be sent in.
type treeNode struct {
	children map[string][]*treeNode
	form     string
	suffix   bool
	sets     []found // commands that end here
	queries  []found
}

// found is a command of the file, by its number, and the header that fits.
type found struct {
	rule     int
	header   *header
	suffixes []string // the captures of the numbers on the way here
}

// add puts a rule's header into the tree, in each form that its optional parts leave.
func (t *tree) add(rule int, h *header) {
	t.root.add(rule, h, 0, nil)
}

func (n *treeNode) add(rule int, h *header, i int, suffixes []string) {
	if i == len(h.nodes) {
		f := found{rule, h, slices.Clone(suffixes)}
		if h.query {
			n.queries = append(n.queries, f)
		} else {
			n.sets = append(n.sets, f)
		}
		return
	}
	want := h.nodes[i]
	if want.optional {
		n.add(rule, h, i+1, suffixes)
	}
	if want.suffix != "" {
		suffixes = append(slices.Clone(suffixes), want.suffix)
	}
	n.child(want).add(rule, h, i+1, suffixes)
}

// child returns the child for a mnemonic, which may be a new one.
func (n *treeNode) child(want headerNode) *treeNode {
	long, sh := strings.ToUpper(want.form), strings.ToUpper(shortOf(want.form))
	for _, c := range n.children[long] {
		if c.form == want.form && c.suffix == (want.suffix != "") {
			return c
		}
	}
	c := &treeNode{form: want.form, suffix: want.suffix != ""}
	if n.children == nil {
		n.children = make(map[string][]*treeNode)
	}
	n.children[long] = append(n.children[long], c)
	if sh != long {
		n.children[sh] = append(n.children[sh], c)
	}
	return c
}

// match is a command that fits a header.
type match struct {
	found
	numbers []string // of its suffixes
}

// find returns the commands whose headers fit, in the order of the file.
func (t *tree) find(head string, query bool) []match {
	type step struct {
		n       *treeNode
		numbers []string
	}
	at := []step{{n: &t.root}}
	for word := range strings.SplitSeq(strings.ToUpper(head), ":") {
		var next []step
		base := strings.TrimRight(word, "0123456789")
		digits := word[len(base):]
		for _, s := range at {
			for _, c := range s.n.children[word] {
				numbers := s.numbers
				if c.suffix { // a number that is left out is 1
					numbers = append(slices.Clone(numbers), "1")
				}
				next = append(next, step{c, numbers})
			}
			if digits == "" || base == "" {
				continue
			}
			for _, c := range s.n.children[base] {
				if c.suffix {
					number := cmp.Or(strings.TrimLeft(digits, "0"), "0") // 0 is no channel, but it is said
					next = append(next, step{c, append(slices.Clone(s.numbers), number)})
				}
			}
		}
		if at = next; len(at) == 0 {
			return nil
		}
	}
	var out []match
	for _, s := range at {
		list := s.n.sets
		if query {
			list = s.n.queries
		}
		for _, f := range list {
			out = append(out, match{f, s.numbers})
		}
	}
	slices.SortStableFunc(out, func(a, b match) int { return a.rule - b.rule })
	return out
}
