package device

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// yamlNode is a value of a YAML file as pyvisa-sim sees it: every scalar is
// text, whatever it looks like, and of keys that are there twice the last one
// counts.
type yamlNode struct {
	path  string
	at    place
	text  string // of a scalar
	items []*yamlNode
	keys  []string // of a mapping, in the order of the file
	pairs map[string]*yamlNode
	form  yamlForm
}

type yamlForm uint8

const (
	yamlScalar yamlForm = iota
	yamlList
	yamlMap
)

var yamlFormNames = [...]string{"a text", "a list", "a mapping"}

// errorf returns an error at the node.
func (n *yamlNode) errorf(format string, args ...any) error {
	return &FileError{n.path, n.at.line, n.at.column, fmt.Errorf(format, args...)}
}

// get returns the value of a key, or nil.
func (n *yamlNode) get(key string) *yamlNode {
	if n == nil {
		return nil
	}
	return n.pairs[key]
}

// need returns the value of a key that must be there.
func (n *yamlNode) need(key string) (*yamlNode, error) {
	if n.form != yamlMap {
		return nil, n.errorf("want a mapping with %s, this is %s", key, yamlFormNames[n.form])
	}
	if v := n.pairs[key]; v != nil {
		return v, nil
	}
	return nil, n.errorf("%s is missing", key)
}

// want reports an error if the node has another form.
func (n *yamlNode) want(form yamlForm) error {
	if n.form != form {
		return n.errorf("want %s, this is %s", yamlFormNames[form], yamlFormNames[n.form])
	}
	return nil
}

// str returns the text of a scalar.
func (n *yamlNode) str() (string, error) { return n.text, n.want(yamlScalar) }

// yamlReader turns what the parser made into nodes.
type yamlReader struct {
	path    string
	anchors map[string]*yamlNode
}

// readYAML reads a YAML file of one document.
func readYAML(path string, content []byte) (n *yamlNode, err error) {
	defer func() { // a parser's mistake is not the end of a server that reads again
		if p := recover(); p != nil {
			n, err = nil, &FileError{Path: path, Err: fmt.Errorf("malformed YAML: %v", p)}
		}
	}()
	f, err := parser.ParseBytes(content, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, yamlError(path, err)
	}
	var body ast.Node
	for _, d := range f.Docs {
		if d.Body == nil || d.Body.Type() == ast.DirectiveType {
			continue
		}
		if body != nil {
			at := d.Body.GetToken().Position
			return nil, &FileError{path, at.Line, at.Column, errors.New("a second document begins, and pyvisa-sim reads files of one")}
		}
		body = d.Body
	}
	if body == nil {
		return nil, &FileError{path, 1, 1, errors.New("the file is empty")}
	}
	r := &yamlReader{path: path, anchors: make(map[string]*yamlNode)}
	return r.node(body)
}

// yamlError gives an error of the parser its place.
func yamlError(path string, err error) error {
	var se yaml.Error
	if errors.As(err, &se) && se.GetToken() != nil {
		at := se.GetToken().Position
		return &FileError{path, at.Line, at.Column, errors.New(se.GetMessage())}
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return &FileError{Path: path, Err: errors.New(first)}
}

// node turns one node.
func (r *yamlReader) node(n ast.Node) (*yamlNode, error) {
	out := &yamlNode{path: r.path}
	if tk := n.GetToken(); tk != nil {
		out.at = place{tk.Position.Line, max(tk.Position.Column, 1)}
	}
	switch n := n.(type) {
	case *ast.AnchorNode:
		v, err := r.node(n.Value)
		if err == nil {
			r.anchors[n.Name.GetToken().Value] = v
		}
		return v, err
	case *ast.AliasNode:
		name := n.Value.GetToken().Value
		if v := r.anchors[name]; v != nil {
			return v, nil
		}
		return nil, out.errorf("there is no anchor &%s before *%s", name, name)
	case *ast.TagNode:
		return r.node(n.Value)
	case *ast.MappingNode:
		return r.mapping(out, n.Values)
	case *ast.MappingValueNode:
		return r.mapping(out, []*ast.MappingValueNode{n})
	case *ast.SequenceNode:
		out.form = yamlList
		for _, v := range n.Values {
			item, err := r.node(v)
			if err != nil {
				return nil, err
			}
			out.items = append(out.items, item)
		}
		return out, nil
	case *ast.LiteralNode:
		out.text = n.Value.GetToken().Value
		return out, nil
	}
	tk := n.GetToken()
	if tk == nil {
		return nil, &FileError{Path: r.path, Err: errors.New("malformed YAML")}
	}
	if tk.Type != token.ImplicitNullType {
		out.text = tk.Value
	}
	return out, nil
}

// mapping turns the pairs of a mapping.
func (r *yamlReader) mapping(out *yamlNode, values []*ast.MappingValueNode) (*yamlNode, error) {
	out.form = yamlMap
	out.pairs = make(map[string]*yamlNode, len(values))
	for i, v := range values {
		var key ast.Node = v.Key
		if k, ok := v.Key.(*ast.MappingKeyNode); ok {
			key = k.Value
		}
		k, err := r.node(key)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			out.at = k.at
		}
		if err := k.want(yamlScalar); err != nil {
			return nil, err
		}
		value, err := r.node(v.Value)
		if err != nil {
			return nil, err
		}
		if out.pairs[k.text] == nil {
			out.keys = append(out.keys, k.text)
		}
		out.pairs[k.text] = value
	}
	return out, nil
}
