package influx

import (
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/influxdata/influxql"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

const (
	longestOwn = 16 << 10

	// What $from and $to stand for until their times are known. Nobody can
	// write the control character.
	markFrom = "\x7ffrom"
	markTo   = "\x7fto"
)

// own is a user's statement that was read and may be asked.
type own struct {
	evaluator.Statement
	tree *influxql.SelectStatement
}

// CheckStatement refuses what is not one SELECT of this database between $from
// and $to.
func (c *Client) CheckStatement(s evaluator.Statement) error {
	o, err := c.readOwn(s)
	if err != nil {
		return err
	}
	return o.checkSeries()
}

// ExplainStatement returns the statement as it is sent.
func (c *Client) ExplainStatement(s evaluator.Statement) string {
	o, err := c.readOwn(s)
	if err != nil {
		return s.Text
	}
	return o.text()
}

func refuse(format string, args ...any) error {
	return rules.FieldErrorf("condition.text", format, args...)
}

func (c *Client) readOwn(s evaluator.Statement) (*own, error) {
	if s.Language != "influxql" {
		return nil, rules.FieldErrorf("condition.language", "must be influxql: this source is asked in InfluxQL; got %q",
			s.Language)
	}
	tree, err := parse(s.Text)
	if err != nil {
		return nil, err
	}
	o := &own{s, tree}
	for _, check := range []func() error{
		o.checkNames, o.checkFaithful, func() error { return checkSources(tree, c.options.Database) },
		func() error { return checkBounds(tree, bounds{window: s.To.Sub(s.From), most: s.Reach()}) }, o.checkColumn,
		o.checkGroups,
	} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// parse reads one SELECT and nothing behind it.
func parse(text string) (*influxql.SelectStatement, error) {
	if err := checkText(text); err != nil {
		return nil, err
	}
	p := influxql.NewParser(strings.NewReader(text))
	p.SetParams(map[string]any{"from": markFrom, "to": markTo})
	if tok, _, _ := p.ScanIgnoreWhitespace(); tok != influxql.SELECT {
		return nil, refuse("must be one SELECT; nothing else is asked, not even SHOW")
	}
	p.Unscan()
	read, err := p.ParseStatement()
	if err != nil {
		return nil, refuse("is no InfluxQL: %v; the only parameters are $from and $to", err)
	}
	if tok, pos, _ := p.ScanIgnoreWhitespace(); tok != influxql.EOF {
		return nil, refuse("must be one statement, without a ; behind it; something follows at line %d, character %d",
			pos.Line+1, pos.Char+1)
	}
	tree, ok := read.(*influxql.SelectStatement)
	if !ok {
		return nil, refuse("must be one SELECT")
	}
	return exactly(tree), nil
}

func checkText(text string) error {
	switch {
	case len(text) > longestOwn:
		return refuse("must be at most %d bytes; got %d", longestOwn, len(text))
	case rules.Nesting(text) > rules.MostNesting:
		return refuse("must not nest brackets deeper than %d levels", rules.MostNesting)
	case !utf8.ValidString(text):
		return refuse("must be UTF-8 text")
	case strings.ContainsFunc(text, func(r rune) bool {
		return r < ' ' && !strings.ContainsRune("\t\r\n", r) || r == 0x7f
	}):
		return refuse("must not contain control characters")
	}
	return nil
}

// exactNumber prints every digit, where its kin prints three decimals.
type exactNumber struct{ *influxql.NumberLiteral }

func (n exactNumber) String() string {
	text := strconv.FormatFloat(n.Val, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0" // or it is an integer
	}
	return text
}

// exactDistinct quotes its name, which its kin prints as it stands.
type exactDistinct struct{ *influxql.Distinct }

func (d exactDistinct) String() string { return "DISTINCT " + influxql.QuoteIdent(d.Val) }

// exactly makes a tree print what was read.
func exactly(tree *influxql.SelectStatement) *influxql.SelectStatement {
	rewrite(tree, func(e influxql.Expr) influxql.Expr {
		switch e := e.(type) {
		case *influxql.NumberLiteral:
			return exactNumber{e}
		case *influxql.Distinct:
			return exactDistinct{e}
		}
		return e
	})
	return tree
}

// selects calls f with a SELECT and all that it selects from.
func selects(tree *influxql.SelectStatement, f func(*influxql.SelectStatement)) {
	f(tree)
	for _, source := range tree.Sources {
		if sub, ok := source.(*influxql.SubQuery); ok {
			selects(sub.Statement, f)
		}
	}
}

// rewrite passes every expression through f.
func rewrite(tree *influxql.SelectStatement, f func(influxql.Expr) influxql.Expr) {
	selects(tree, func(one *influxql.SelectStatement) {
		for _, field := range one.Fields {
			field.Expr = influxql.RewriteExpr(field.Expr, f)
		}
		for _, d := range one.Dimensions {
			d.Expr = influxql.RewriteExpr(d.Expr, f)
		}
		if one.Condition != nil {
			one.Condition = influxql.RewriteExpr(one.Condition, f)
		}
	})
}

var functionName = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

// checkNames refuses what would print as something else, and now(), which is
// another time for each who asks about the past.
func (o *own) checkNames() (err error) {
	note := func(wrong error) {
		if err == nil {
			err = wrong
		}
	}
	rewrite(o.tree, func(e influxql.Expr) influxql.Expr {
		switch e := e.(type) {
		case *influxql.Call:
			note(checkFunction(e.Name))
		case *influxql.RegexLiteral:
			note(checkRegex(e))
		}
		return e
	})
	selects(o.tree, func(one *influxql.SelectStatement) {
		for _, source := range one.Sources {
			if m, ok := source.(*influxql.Measurement); ok {
				note(checkRegex(m.Regex))
			}
		}
	})
	return err
}

func checkFunction(name string) error {
	switch {
	case name == "now":
		return refuse("must not use now(), which is not the time that is judged; write $to")
	case !functionName.MatchString(name):
		return refuse("has no function %q", name)
	}
	return nil
}

// checkRegex refuses the one spot where servers may differ in where a regular
// expression ends.
func checkRegex(r *influxql.RegexLiteral) error {
	if r != nil && r.Val != nil && strings.Contains(r.Val.String(), `\/`) {
		return refuse("must not have a backslash before a / in a regular expression; write \\x5c for it")
	}
	return nil
}

// checkFaithful makes sure that what is sent, which is the tree printed, is
// read by the server as it was read here.
func (o *own) checkFaithful() error {
	again, err := parse(printable(o.tree.String()))
	if err != nil || !reflect.DeepEqual(again, o.tree) {
		return refuse("cannot be repeated to the server without a doubt; write it simpler: parentheses behind a minus, " +
			"plain names, no numbers in fill() with decimals")
	}
	return nil
}

// printable puts the parameters back in the place of their marks.
func printable(text string) string {
	return strings.NewReplacer("'"+markFrom+"'", "$from", "'"+markTo+"'", "$to").Replace(text)
}

// checkSources refuses to write, and other databases.
func checkSources(tree *influxql.SelectStatement, database string) (err error) {
	selects(tree, func(one *influxql.SelectStatement) {
		if one.Target != nil {
			err = refuse("must only read; leave out INTO")
		}
		for _, source := range one.Sources {
			if m, ok := source.(*influxql.Measurement); ok && m.Database != "" && !inDatabase(database, m.Database) {
				err = refuse("must not leave the database %q of the source; got %q; make a source for the other one", database,
					m.Database)
			}
		}
	})
	return err
}

// inDatabase reports whether a name is the database of the source, or that of its
// bucket home/telegraf.
func inDatabase(database, name string) bool {
	return name == database || strings.HasPrefix(database, name+"/")
}

// bounds tells which ends of the window limit a SELECT, and how far beyond them
// it reaches.
type bounds struct {
	from, to bool
	window   time.Duration
	most     time.Duration // that it may look back or ahead
	far      bool          // a limit lies further off, and is none

	back, ahead float64 // how far it does from $to, in nanoseconds
}

// checkBounds demands that everything that is read lies in the window, or not
// far from it; what limits a SELECT limits what it selects from.
func checkBounds(tree *influxql.SelectStatement, b bounds) error {
	b.limit(tree.Condition)
	if every, err := tree.GroupByInterval(); err == nil && every > 0 && b.from && b.to &&
		(b.back+b.ahead)/float64(every) > evaluator.MostOwnRows {
		return refuse("must not cut so much time into steps of %s, which makes more than %d rows; group by a longer time",
			rules.Duration(every), evaluator.MostOwnRows)
	}
	for _, source := range tree.Sources {
		sub, nested := source.(*influxql.SubQuery)
		switch {
		case nested:
			if err := checkBounds(sub.Statement, b); err != nil {
				return err
			}
		case (!b.from || !b.to) && b.far:
			return refuse("must not look back or ahead further than %s; write a time nearer to $from and $to, or give the "+
				"rule a longer window", rules.Duration(b.most))
		case !b.from || !b.to:
			return refuse("must be limited to the window; add WHERE time > $from AND time <= $to, not under an OR")
		}
	}
	return nil
}

// limit notes the bounds in a condition that always hold.
func (b *bounds) limit(condition influxql.Expr) {
	switch e := condition.(type) {
	case *influxql.ParenExpr:
		b.limit(e.Expr)
	case *influxql.BinaryExpr:
		if e.Op == influxql.AND {
			b.limit(e.LHS)
			b.limit(e.RHS)
			return
		}
		b.compare(e.LHS, e.Op, e.RHS)
		b.compare(e.RHS, mirrored[e.Op], e.LHS)
	}
}

var mirrored = map[influxql.Token]influxql.Token{
	influxql.LT: influxql.GT, influxql.LTE: influxql.GTE, influxql.GT: influxql.LT, influxql.GTE: influxql.LTE,
}

func (b *bounds) compare(left influxql.Expr, op influxql.Token, right influxql.Expr) {
	if ref, ok := left.(*influxql.VarRef); !ok || ref.Val != "time" {
		return
	}
	if off, ok := beside(right, markFrom); ok && (op == influxql.GT || op == influxql.GTE) {
		back := float64(b.window) - off
		if near := back <= float64(b.most); !near {
			b.far = true
		} else if !b.from || back < b.back {
			b.from, b.back = true, back
		}
	}
	if off, ok := beside(right, markTo); ok && (op == influxql.LT || op == influxql.LTE) {
		if near := off <= float64(b.most); !near {
			b.far = true
		} else if !b.to || off < b.ahead {
			b.to, b.ahead = true, off
		}
	}
}

// beside returns how many nanoseconds after the parameter an expression lies,
// which is it or a duration beside it. As durations they could overflow.
func beside(e influxql.Expr, mark string) (off float64, ok bool) {
	switch e := e.(type) {
	case *influxql.StringLiteral:
		return 0, e.Val == mark
	case *influxql.ParenExpr:
		return beside(e.Expr, mark)
	case *influxql.BinaryExpr:
		d, duration := e.RHS.(*influxql.DurationLiteral)
		if off, ok = beside(e.LHS, mark); !ok || !duration {
			return 0, false
		}
		switch e.Op {
		case influxql.ADD:
			return off + float64(d.Val), true
		case influxql.SUB:
			return off - float64(d.Val), true
		}
	}
	return 0, false
}

// checkColumn refuses a column that the answer cannot have.
func (o *own) checkColumn() error {
	names, open := o.columns()
	if o.Column == "" {
		return rules.FieldErrorf("condition.column", "is missing; one of %s", strings.Join(names, ", "))
	}
	if open || slices.ContainsFunc(names, func(name string) bool {
		return o.Column == name || strings.HasPrefix(o.Column, name+"_")
	}) {
		return nil
	}
	return rules.FieldErrorf("condition.column",
		"%q is not in the answer, which has %s; name it in the text: mean(x) AS %s", o.Column, strings.Join(names, ", "),
		o.Column)
}

// columns lists the names that the statement gives to its columns; open says
// that there may be others.
func (o *own) columns() (names []string, open bool) {
	for _, f := range o.tree.Fields {
		if name := f.Name(); name != "" {
			names = append(names, name)
		}
		influxql.WalkFunc(f.Expr, func(n influxql.Node) {
			switch n := n.(type) {
			case *influxql.Wildcard, *influxql.RegexLiteral, exactDistinct:
				open = true
			case *influxql.Call:
				open = open || n.Name == "top" || n.Name == "bottom"
			}
		})
	}
	return names, open
}

// checkGroups refuses a tag of group_by that no row can have, which would make
// one series of all.
func (o *own) checkGroups() error {
	names, open := o.columns()
	for _, d := range o.tree.Dimensions {
		switch e := d.Expr.(type) {
		case *influxql.VarRef:
			names = append(names, e.Val)
		case *influxql.Wildcard, *influxql.RegexLiteral:
			open = true
		}
	}
	for _, tag := range o.GroupBy {
		if !open && !slices.Contains(names, tag) {
			return rules.FieldErrorf("group_by", "%q is not in the answer of the query; add GROUP BY %s to its text", tag,
				name(tag))
		}
	}
	return nil
}

// checkSeries refuses a statement that answers more series than group_by tells
// apart: only one of them would be judged.
func (o *own) checkSeries() error {
	for _, d := range o.tree.Dimensions {
		if e, ok := d.Expr.(*influxql.VarRef); ok && !slices.Contains(o.GroupBy, e.Val) {
			return rules.FieldErrorf("group_by",
				"lacks %q, by which the query groups, so that only one of its series would be judged; add it, or take it out of "+
					"the query", e.Val)
		}
	}
	return nil
}

// text prints the statement with the times of the window.
func (o *own) text() string {
	times := map[string]time.Time{markFrom: o.From, markTo: o.To}
	rewrite(o.tree, func(e influxql.Expr) influxql.Expr {
		if s, ok := e.(*influxql.StringLiteral); ok {
			if at, marked := times[s.Val]; marked {
				return &influxql.TimeLiteral{Val: at.UTC()}
			}
		}
		return e
	})
	return o.tree.String()
}

// sorted lists the tags of group_by in the order of a Series.
func (o *own) sorted() []string { return slices.Sorted(slices.Values(o.GroupBy)) }
