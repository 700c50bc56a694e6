// Package expression compiles and runs the expression of a rule's condition: numbers,
// named inputs, arithmetic, comparisons and a few functions, and nothing else. Where
// the inputs come from is not its concern.
package expression

import (
	"errors"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm"

	"github.com/9bikes/tocsin/rules"
)

// Program is a compiled expression over named inputs.
type Program struct {
	inputs  []string // sorted
	verdict *vm.Program
	value   *vm.Program // what is shown: the left side of the first comparison
	machine vm.VM
}

// Inputs are the names that the expression sees, sorted.
func (p *Program) Inputs() []string { return p.inputs }

// errNoValue ends an evaluation that has no result: a division by zero.
var errNoValue = errors.New("no value")

// functions are all that an expression can call.
var functions = map[string]func(x float64) float64{
	"abs": math.Abs, "floor": math.Floor, "ceil": math.Ceil, "round": math.Round, "sqrt": math.Sqrt, "log": math.Log,
}

const mostNodes = 200

// Compile makes a program that sees its inputs, arithmetic and a few
// functions, and nothing else.
func Compile(c rules.Condition) (*Program, error) {
	p := &Program{inputs: slices.Sorted(maps.Keys(c.Inputs))}
	env := map[string]any{}
	for _, name := range p.inputs {
		env[name] = 0.0
	}
	w := &warden{env: env}
	options := []expr.Option{
		expr.Env(env), expr.DisableAllBuiltins(), expr.MaxNodes(mostNodes), expr.Optimize(false), expr.Patch(w),
		expr.Function("div", func(x ...any) (any, error) {
			return divide(number(x[0]), number(x[1]))
		}, new(func(float64, float64) float64)),
		expr.Function("mod", func(x ...any) (any, error) {
			return remainder(number(x[0]), number(x[1]))
		}, new(func(float64, float64) float64)),
	}
	for name, f := range functions {
		options = append(options,
			expr.Function(name, func(x ...any) (any, error) { return f(number(x[0])), nil }, new(func(float64) float64)))
	}
	program, err := expr.Compile(c.Expr, append(options, expr.AsBool())...)
	if err == nil {
		err = w.err
	}
	if err != nil {
		return nil, rules.FieldErrorf("condition.expr",
			"is not an expression over %s: %s; for example cpu > 80 and idle < 5; it takes numbers, + - * / %%, > >= < <= == "+
				"!=, and, or, not in small letters",
			strings.Join(p.inputs, ", "), firstLine(err))
	}
	p.verdict = program
	if side := leftSide(program.Node()); side != "" {
		if p.value, err = expr.Compile(side, append(options, expr.AsFloat64())...); err != nil {
			p.value = nil
		}
	}
	return p, nil
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

func number(v any) float64 {
	switch v := v.(type) {
	case float64:
		return v
	case int:
		return float64(v)
	}
	return math.NaN()
}

func divide(x, y float64) (any, error) {
	if y == 0 {
		return 0.0, errNoValue
	}
	return x / y, nil
}

func remainder(x, y float64) (any, error) {
	if y == 0 {
		return 0.0, errNoValue
	}
	return math.Mod(x, y), nil
}

// warden allows numbers, comparisons and logic in an expression and makes
// divisions by zero end it instead of becoming infinite.
type warden struct {
	env map[string]any
	err error
}

// Visit is called with each node.
func (w *warden) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.IdentifierNode, *ast.UnaryNode, *ast.CallNode,
		*ast.ConditionalNode:
	case *ast.BinaryNode:
		w.binary(node, n)
	default:
		w.err = errors.New("only numbers, inputs, arithmetic, comparisons, and, or, not and " +
			strings.Join(slices.Sorted(maps.Keys(functions)), ", ") + " are possible")
	}
}

func (w *warden) binary(node *ast.Node, n *ast.BinaryNode) {
	name := map[string]string{"/": "div", "%": "mod"}[n.Operator]
	switch {
	case name != "":
		ast.Patch(node, &ast.CallNode{Callee: &ast.IdentifierNode{Value: name}, Arguments: []ast.Node{n.Left, n.Right}})
	case !slices.Contains([]string{"+", "-", "*", "**", "^", ">", ">=", "<", "<=", "==", "!=", "and", "or", "&&", "||"},
		n.Operator):
		w.err = errors.New("the operator " + n.Operator + " is not possible here")
	}
}

// leftSide is the text of what the first comparison compares.
func leftSide(node ast.Node) string {
	n, ok := node.(*ast.BinaryNode)
	if !ok {
		return ""
	}
	switch n.Operator {
	case ">", ">=", "<", "<=", "==", "!=":
		return n.Left.String()
	}
	return leftSide(n.Left)
}

// Judge says what the expression makes of its inputs: bad where it is true, without a
// verdict where it has no result, and the value that is shown, NaN for none.
func (p *Program) Judge(inputs map[string]any) (verdict rules.Verdict, value float64) {
	result, err := p.machine.Run(p.verdict, inputs)
	if err != nil {
		return rules.None, math.NaN()
	}
	verdict, value = rules.Good, math.NaN()
	if result == true {
		verdict = rules.Bad
	}
	if p.value != nil {
		if v, err := p.machine.Run(p.value, inputs); err == nil {
			value = number(v)
		}
	}
	return verdict, value
}
