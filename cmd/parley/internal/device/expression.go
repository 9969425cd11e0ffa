package device

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"
)

// expression is a checked expression of the file. It has no loops, so that its
// time is bounded by its length.
type expression struct {
	prog *vm.Program
	uses []string // the names in it
}

// maxNodes bounds the size of an expression.
const maxNodes = 1000

// builtins are expr's own functions that a device file may call; the others
// loop, or make much of little, or ask the system's clock.
var builtins = []string{"len", "abs", "ceil", "floor", "round", "int", "float", "string", "trim", "upper", "lower", "hasPrefix", "hasSuffix", "indexOf", "max", "min"}

// functions are those that a device file has besides.
var functions = []string{"noise", "random", "format", "sin", "cos", "tan", "exp", "log", "sqrt"}

// constants are names that stand for a number.
var constants = []string{"time", "uptime", "pi"}

// compile checks an expression.
func (n *names) compile(text string, more ...string) (*expression, error) {
	tree, err := parser.Parse(text)
	if err != nil {
		return nil, exprError(err)
	}
	check := &noLoops{}
	ast.Walk(&tree.Node, check)
	if check.err != nil {
		return nil, check.err
	}
	env := types.Map{}
	for _, v := range n.prog.variables {
		env[v.name] = v.exprType()
	}
	for _, c := range slices.Concat(n.captures, []string{"request"}, more) {
		env[c] = types.Any
	}
	call := types.TypeOf(func(...any) (any, error) { return nil, nil })
	for _, f := range functions {
		if _, taken := env[f]; !taken {
			env[f] = call
		}
	}
	for _, c := range constants {
		if _, taken := env[c]; !taken {
			env[c] = types.Any
		}
	}
	opts := []expr.Option{expr.Env(env), expr.MaxNodes(maxNodes), expr.DisableAllBuiltins()}
	for _, b := range builtins {
		if _, taken := env[b]; !taken {
			opts = append(opts, expr.EnableBuiltin(b))
		}
	}
	prog, err := expr.Compile(text, opts...)
	if err != nil {
		return nil, exprError(err)
	}
	return &expression{prog: prog, uses: check.names}, nil
}

// exprType returns the type that an expression knows the variable by.
func (v *variable) exprType() types.Type {
	if v.hasChannels() {
		return types.TypeOf(map[int]any{})
	}
	switch v.kind {
	case kindFloat:
		return types.Float64
	case kindInt:
		return types.Int
	case kindBool:
		return types.Bool
	case kindText:
		return types.String
	}
	return types.Any
}

// noLoops walks an expression, notes its names, and finds what could loop.
type noLoops struct {
	names []string
	err   error
}

// Visit looks at one node.
func (c *noLoops) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		if !slices.Contains(c.names, n.Value) {
			c.names = append(c.names, n.Value)
		}
	case *ast.PredicateNode:
		c.err = errors.New("functions that loop (map, filter, sum, …) are not for device files")
	case *ast.BinaryNode:
		if n.Operator == ".." {
			c.err = errors.New("ranges are not for device files")
		}
	case *ast.BuiltinNode:
		if !slices.Contains(builtins, n.Name) {
			c.err = fmt.Errorf("there is no function %s here: there are %s", n.Name, strings.Join(slices.Concat(functions, builtins), ", "))
		}
	}
}

// exprError makes one line of an error of expr.
func exprError(err error) error {
	var e *file.Error
	if errors.As(err, &e) {
		return fmt.Errorf("%s (at its character %d)", e.Message, e.Column+1)
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return errors.New(first)
}

// run returns the expression's value: an int64, a float64, a string or a bool.
func (e *expression) run(sc *scope) (any, error) {
	env := make(map[string]any, len(e.uses))
	for _, name := range e.uses {
		if v, ok := sc.lookup(name); ok {
			env[name] = v
		}
	}
	return e.runIn(env)
}

func (e *expression) runIn(env map[string]any) (any, error) {
	out, err := expr.Run(e.prog, env)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", short(e.prog.Source().String()), exprError(err), scpiErrors.execution)
	}
	switch out := out.(type) {
	case int:
		return int64(out), nil
	case int64, float64, bool:
		return out, nil
	case string:
		return out, nil
	}
	return nil, fmt.Errorf("%s is a %T, no number, text, true or false: %w", short(e.prog.Source().String()), out, scpiErrors.execution)
}

// lookup returns what a name means in an expression.
func (sc *scope) lookup(name string) (any, bool) {
	if c, ok := sc.captures[name]; ok {
		return asArgument(c), true
	}
	if v := sc.st.def.variables[name]; v != nil {
		return sc.variable(v), true
	}
	switch name {
	case "request":
		return sc.request, true
	case "time":
		return int(sc.now.Unix()), true
	case "uptime":
		return sc.now.Sub(sc.session.device.began).Seconds(), true
	case "pi":
		return math.Pi, true
	}
	if f := sc.session.function(name); f != nil {
		return f, true
	}
	return nil, false
}

// variable returns a variable's value, or those of all its channels.
func (sc *scope) variable(v *variable) any {
	if !v.hasChannels() {
		return exprValue(sc.st.get(ref{v, 0}))
	}
	all := make(map[int]any, v.hi-v.lo+1)
	for ch := v.lo; ch <= v.hi; ch++ {
		all[ch] = exprValue(sc.st.get(ref{v, ch}))
	}
	return all
}

// exprValue returns a value as expr takes it.
func exprValue(v any) any {
	if i, ok := v.(int64); ok {
		return int(i)
	}
	return v
}

// function returns a function that expressions call.
func (s *Session) function(name string) any {
	numeric := func(n int, f func(x []float64) float64) any {
		return func(args ...any) (any, error) {
			x, err := floats(name, n, args)
			if err != nil {
				return nil, err
			}
			return f(x), nil
		}
	}
	one := func(f func(float64) float64) any {
		return numeric(1, func(x []float64) float64 { return f(x[0]) })
	}
	switch name {
	case "noise":
		return numeric(2, func(x []float64) float64 { return x[0] + x[1]*s.rand.NormFloat64() })
	case "random":
		return s.random
	case "format":
		return format
	case "sin":
		return one(math.Sin)
	case "cos":
		return one(math.Cos)
	case "tan":
		return one(math.Tan)
	case "exp":
		return one(math.Exp)
	case "log":
		return one(math.Log)
	case "sqrt":
		return one(math.Sqrt)
	}
	return nil
}

// random returns a whole number from the first to the last, both included, of
// two whole numbers, else a number between them.
func (s *Session) random(args ...any) (any, error) {
	x, err := floats("random", 2, args)
	if err != nil {
		return nil, err
	}
	lo, ok := args[0].(int)
	hi, ok2 := args[1].(int)
	if !ok || !ok2 {
		return x[0] + (x[1]-x[0])*s.rand.Float64(), nil
	}
	if lo > hi {
		lo, hi = hi, lo
	}
	if span := uint64(hi) - uint64(lo) + 1; span != 0 {
		return int(uint64(lo) + s.rand.Uint64N(span)), nil
	}
	return int(s.rand.Uint64()), nil
}

// format shows a value as a format says.
func format(args ...any) (any, error) {
	if len(args) != 2 {
		return nil, errors.New(`format wants a format and a value: format("%.3f", volt)`)
	}
	form, ok := args[0].(string)
	verb, err := formatVerb(form)
	if !ok || err != nil {
		return nil, fmt.Errorf("format %v: %w", args[0], err)
	}
	v := args[1]
	if i, ok := v.(int); ok {
		v = int64(i)
	}
	return (&variable{format: form, verb: verb}).show(v), nil
}

// floats returns the arguments of a function as numbers.
func floats(name string, n int, args []any) ([]float64, error) {
	if len(args) != n {
		return nil, fmt.Errorf("%s wants %d numbers", name, n)
	}
	out := make([]float64, n)
	for i, a := range args {
		switch a := a.(type) {
		case int:
			out[i] = float64(a)
		case float64:
			out[i] = a
		case bool:
			out[i] = number(a)
		default:
			return nil, fmt.Errorf("%s wants numbers, not %q", name, short(fmt.Sprint(a)))
		}
	}
	return out, nil
}
