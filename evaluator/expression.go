package evaluator

import (
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm"

	"github.com/9bikes/tocsin/evaluator/schedule"
	"github.com/9bikes/tocsin/rules"
)

// expression is a compiled expression condition.
type expression struct {
	inputs  []string // sorted
	verdict *vm.Program
	value   *vm.Program // what is shown: the left side of the first comparison
	machine vm.VM
}

// errNoValue ends an evaluation that has no result: a division by zero.
var errNoValue = errors.New("no value")

// functions are all that an expression can call.
var functions = map[string]func(x float64) float64{
	"abs": math.Abs, "floor": math.Floor, "ceil": math.Ceil, "round": math.Round, "sqrt": math.Sqrt, "log": math.Log,
}

const mostNodes = 200

// CheckCondition refuses what cannot be judged: a type that this version does
// not know to, and an expression over named inputs that says nothing.
func CheckCondition(c rules.Condition) error {
	switch c.Type {
	case rules.Anomaly:
		return rules.FieldErrorf("condition.type",
			"%s is not possible in this version; use threshold, absence, change, forecast, expression or query", c.Type)
	case rules.Expression:
		_, err := compileExpression(c)
		return err
	}
	return nil
}

// CheckRule reports what the engine cannot do with a rule that is well formed: its
// condition, or its schedule; base is the interval of rules without one. Whatever
// takes or tries a rule asks it, so that all give one verdict.
func CheckRule(r *rules.Rule, base time.Duration) error {
	_, err := schedule.Parse(r.Every, r.Zone, base)
	return errors.Join(CheckCondition(r.Condition), err)
}

// compileExpression makes a program that sees its inputs, arithmetic and a few
// functions, and nothing else.
func compileExpression(c rules.Condition) (*expression, error) {
	e := &expression{inputs: slices.Sorted(maps.Keys(c.Inputs))}
	env := map[string]any{}
	for _, name := range e.inputs {
		env[name] = 0.0
	}
	w := &warden{env: env}
	options := []expr.Option{
		expr.Env(env), expr.DisableAllBuiltins(), expr.MaxNodes(mostNodes), expr.Optimize(false), expr.Patch(w),
		expr.Function("div", func(p ...any) (any, error) {
			return divide(number(p[0]), number(p[1]))
		}, new(func(float64, float64) float64)),
		expr.Function("mod", func(p ...any) (any, error) {
			return remainder(number(p[0]), number(p[1]))
		}, new(func(float64, float64) float64)),
	}
	for name, f := range functions {
		options = append(options,
			expr.Function(name, func(p ...any) (any, error) { return f(number(p[0])), nil }, new(func(float64) float64)))
	}
	program, err := expr.Compile(c.Expr, append(options, expr.AsBool())...)
	if err == nil {
		err = w.err
	}
	if err != nil {
		return nil, rules.FieldErrorf("condition.expr",
			"is not an expression over %s: %s; for example cpu > 80 and idle < 5; it takes numbers, + - * / %%, > >= < <= == "+
				"!=, and, or, not in small letters",
			strings.Join(e.inputs, ", "), firstLine(err))
	}
	e.verdict = program
	if side := leftSide(program.Node()); side != "" {
		if e.value, err = expr.Compile(side, append(options, expr.AsFloat64())...); err != nil {
			e.value = nil
		}
	}
	return e, nil
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

// judgeExpression joins the inputs on their labels and asks the expression of
// each label set. A set that lacks an input has no value.
func judgeExpression(a *Answer, out []rules.Observation) []rules.Observation {
	e := a.expression
	inputs := make([]map[rules.Series]float64, len(e.inputs))
	seen := map[rules.Series]bool{}
	var order []rules.Series
	for i := range e.inputs {
		inputs[i] = valuesOf(a.Points[i])
		for _, p := range a.Points[i] {
			if !seen[p.Series] && !broadcast(p.Series, a.Points, i) {
				seen[p.Series] = true
				order = append(order, p.Series)
			}
		}
	}
	env := map[string]any{}
	for _, series := range order {
		out = append(out, e.observe(series, inputs, env))
	}
	return out
}

// broadcast reports whether a series is a value for many: it lacks labels that
// the series of another input have.
func broadcast(s rules.Series, points [][]Point, own int) bool {
	for i := range points {
		for _, p := range points[i] {
			if i != own && p.Series != s && covers(s, p.Series) {
				return true
			}
		}
	}
	return false
}

// covers reports whether every label of general, but those without a value, is
// one of special.
func covers(general, special rules.Series) bool {
	ok := true
	general.Each(func(name, value string) bool {
		ok = value == "" || special.Label(name) == value
		return ok
	})
	return ok
}

func (e *expression) observe(series rules.Series, inputs []map[rules.Series]float64,
	env map[string]any,
) rules.Observation {
	o := rules.Observation{Series: series, Verdict: rules.None, Value: math.NaN()}
	for i, name := range e.inputs {
		v, ok := inputs[i][series]
		if !ok {
			v, ok = general(inputs[i], series)
		}
		if !ok || math.IsNaN(v) {
			return o
		}
		env[name] = v
	}
	verdict, err := e.machine.Run(e.verdict, env)
	if err != nil {
		return o
	}
	o.Verdict = rules.Good
	if verdict == true {
		o.Verdict = rules.Bad
	}
	if e.value != nil {
		if v, err := e.machine.Run(e.value, env); err == nil {
			o.Value = number(v)
		}
	}
	return o
}

// general finds the one value of an input that stands for many series.
func general(input map[rules.Series]float64, series rules.Series) (value float64, ok bool) {
	for s, v := range input {
		if covers(s, series) {
			if ok {
				return 0, false
			}
			value, ok = v, true
		}
	}
	return value, ok
}
