package device

import (
	"fmt"
	"strconv"

	"github.com/pelletier/go-toml/v2/unstable"
)

// A FileError is a mistake in a device file, with its place.
type FileError struct {
	Path         string
	Line, Column int // from 1; 0: not known
	Err          error
}

// Error names the place as compilers do.
func (e *FileError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %v", e.Path, e.Err)
	}
	return fmt.Sprintf("%s:%d:%d: %v", e.Path, e.Line, e.Column, e.Err)
}

// Unwrap returns what is wrong, without its place.
func (e *FileError) Unwrap() error { return e.Err }

// place is a line and a column, from 1.
type place struct{ line, column int }

// places knows where each key of a TOML file stands, and its value. A path is
// the keys from the top, each behind a zero byte; the elements of arrays, and
// of arrays of tables, are numbers from 0.
type places struct {
	keys, values map[string]place
	arrays       map[string]int // tables of an array so far
}

const pathMark = "\x00"

// newPlaces reads the file, which is known to be TOML, for its places alone.
func newPlaces(content []byte) *places {
	p := &places{keys: make(map[string]place), values: make(map[string]place), arrays: make(map[string]int)}
	var parser unstable.Parser
	parser.Reset(content)
	table := ""
	for parser.NextExpression() {
		n := parser.Expression()
		switch n.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = p.table(&parser, n)
		case unstable.KeyValue:
			p.pair(&parser, table, n)
		}
	}
	return p
}

// table notes [a.b] or [[a.b]] and returns its path. A name that is an array
// of tables stands for its latest one.
func (p *places) table(parser *unstable.Parser, n *unstable.Node) string {
	path := ""
	it := n.Key()
	for it.Next() {
		key := it.Node()
		path += pathMark + string(key.Data)
		at := whereIs(parser, key)
		note(p.keys, path, at)
		if it.IsLast() && n.Kind == unstable.ArrayTable {
			p.arrays[path]++
		}
		if i := p.arrays[path]; i > 0 {
			path += pathMark + strconv.Itoa(i-1)
			note(p.keys, path, at)
		}
	}
	return path
}

// pair notes a key and its value beneath a table.
func (p *places) pair(parser *unstable.Parser, table string, n *unstable.Node) {
	path := table
	it := n.Key()
	for it.Next() {
		path += pathMark + string(it.Node().Data)
		note(p.keys, path, whereIs(parser, it.Node()))
	}
	p.value(parser, path, n.Value())
}

// value notes a value and what is in it.
func (p *places) value(parser *unstable.Parser, path string, n *unstable.Node) {
	if n.Raw.Length > 0 {
		note(p.values, path, whereIs(parser, n))
	}
	it := n.Children()
	switch n.Kind {
	case unstable.InlineTable:
		for it.Next() {
			p.pair(parser, path, it.Node())
		}
	case unstable.Array:
		for i := 0; it.Next(); {
			if it.Node().Kind == unstable.Comment {
				continue
			}
			p.value(parser, path+pathMark+strconv.Itoa(i), it.Node())
			i++
		}
	}
}

// note keeps the first place of a path.
func note(m map[string]place, path string, at place) {
	if _, ok := m[path]; !ok {
		m[path] = at
	}
}

func whereIs(parser *unstable.Parser, n *unstable.Node) place {
	start := parser.Shape(n.Raw).Start
	return place{start.Line, start.Column}
}

// node is a place in the file by its path, for errors.
type node struct {
	file *fileReader
	path string
}

// at returns the node of a key, or of an element by its number, beneath n.
func (n node) at(key any) node {
	return node{n.file, n.path + pathMark + fmt.Sprint(key)}
}

// errorf returns an error at the node: at its value, else its key, else at
// what it is in.
func (n node) errorf(format string, args ...any) error {
	return n.wrap(fmt.Errorf(format, args...))
}

// wrap gives err the node's place.
func (n node) wrap(err error) error {
	at := n.file.places.find(n.path)
	return &FileError{Path: n.file.path, Line: at.line, Column: at.column, Err: err}
}

// find returns the place of the path, or of the nearest thing around it.
func (p *places) find(path string) place {
	for {
		if at, ok := p.values[path]; ok {
			return at
		}
		if at, ok := p.keys[path]; ok {
			return at
		}
		i := len(path) - 1
		for i > 0 && path[i] != pathMark[0] {
			i--
		}
		if i <= 0 {
			return place{1, 1}
		}
		path = path[:i]
	}
}
