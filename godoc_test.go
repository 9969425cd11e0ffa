package parley_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/parley-net/parley"
)

// What package parley takes over from package wire by an alias has its methods and
// fields on parley's own page, as go doc shows none of an alias; with the signatures
// of methods that are more than Error and Unwrap.
//
// Verifies: RUNTIME-81
func TestAliasesAreDocumented(t *testing.T) {
	aliases := map[string]reflect.Type{
		"Message":       reflect.TypeFor[parley.Message](),
		"Type":          reflect.TypeFor[parley.Type](),
		"Protocol":      reflect.TypeFor[parley.Protocol](),
		"Plugin":        reflect.TypeFor[parley.Plugin](),
		"ProtocolError": reflect.TypeFor[*parley.ProtocolError](),
		"MessageError":  reflect.TypeFor[*parley.MessageError](),
		"RefusedError":  reflect.TypeFor[*parley.RefusedError](),
	}
	docs := aliasDocs(t)
	if len(docs) != len(aliases) {
		t.Errorf("there are %d aliases, of which %d are looked at", len(docs), len(aliases))
	}
	for name, typ := range aliases {
		doc := docs[name]
		for i := range typ.NumMethod() {
			m := typ.Method(i)
			f := m.Type
			if m.Name == "Error" || m.Name == "Unwrap" {
				if !strings.Contains(doc, m.Name) {
					t.Errorf("%s: no word about %s", name, m.Name)
				}
				continue
			}
			first := 0
			if typ.Kind() != reflect.Interface {
				first = 1 // the receiver
			}
			line := regexp.MustCompile(`\t` + m.Name + `\((.*?)\) ?(\(.*?\)|[\w.*\[\]]+) +//`).FindStringSubmatch(doc)
			if line == nil {
				t.Errorf("%s: no line for %s", name, m.Name)
				continue
			}
			if n := listed(line[1]); n != f.NumIn()-first {
				t.Errorf("%s.%s: %d parameters are documented, it has %d", name, m.Name, n, f.NumIn()-first)
			}
			if n := listed(strings.Trim(line[2], "()")); n != f.NumOut() {
				t.Errorf("%s.%s: %d results are documented, it has %d", name, m.Name, n, f.NumOut())
			}
		}
		if typ.Kind() == reflect.Pointer {
			for i := range typ.Elem().NumField() {
				if field := typ.Elem().Field(i).Name; !regexp.MustCompile(`\b` + field + `\b`).MatchString(doc) {
					t.Errorf("%s: no word about the field %s", name, field)
				}
			}
		}
	}
}

// listed returns how many elements a list has.
func listed(list string) int {
	if list == "" {
		return 0
	}
	return 1 + strings.Count(list, ",")
}

// aliasDocs returns the documentation of the aliases of types in package wire, that of
// their group included.
func aliasDocs(t *testing.T) map[string]string {
	docs := make(map[string]string)
	for _, name := range []string{"message.go", "errors.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, s := range g.Specs {
				if s, ok := s.(*ast.TypeSpec); ok && s.Assign.IsValid() {
					docs[s.Name.Name] = g.Doc.Text() + s.Doc.Text()
				}
			}
		}
	}
	return docs
}
