package influx3

import (
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// own is a user's statement that was read and may be asked: one SELECT without
// space at its ends and without a semicolon.
type own []token

// CheckStatement refuses what is not one SELECT that uses $from and $to.
func (c *Client) CheckStatement(s evaluator.Statement) error {
	_, err := readOwn(s)
	return err
}

// ExplainStatement returns the statement as it is sent.
func (c *Client) ExplainStatement(s evaluator.Statement) string {
	o, err := readOwn(s)
	if err != nil {
		return s.Text
	}
	return o.text(s.From, s.To)
}

func readOwn(s evaluator.Statement) (own, error) {
	if s.Language != "sql" {
		return nil, rules.FieldErrorf("condition.language", "must be sql: this source is asked in SQL; got %q", s.Language)
	}
	if s.Column == "" {
		return nil, rules.FieldErrorf("condition.column", "is missing; name the column of the answer that holds the value")
	}
	tokens, err := tokenize(s.Text)
	if err != nil {
		return nil, err
	}
	o := trim(tokens)
	if len(o) > 0 && o[len(o)-1] == (token{tokenMark, ";"}) {
		o = trim(o[:len(o)-1])
	}
	if first := o.word(0); first != "SELECT" && first != "WITH" {
		return nil, refuse("must be one SELECT, or WITH and a SELECT; nothing else is asked")
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	return o, o.checkWindow(span{s.To.Sub(s.From), s.Reach()})
}

func trim(tokens []token) own {
	for len(tokens) > 0 && tokens[0].kind == tokenSpace {
		tokens = tokens[1:]
	}
	for len(tokens) > 0 && tokens[len(tokens)-1].kind == tokenSpace {
		tokens = tokens[:len(tokens)-1]
	}
	return tokens
}

// word is the token at i in capitals, if it is a word.
func (o own) word(i int) string {
	if i >= len(o) || o[i].kind != tokenWord {
		return ""
	}
	return strings.ToUpper(o[i].text)
}

// writes lists the words of statements that do more than read.
var writes = []string{
	"INSERT", "UPDATE", "DELETE", "DROP", "CREATE", "ALTER", "COPY", "INTO", "SET", "EXPLAIN", "CALL", "EXECUTE",
	"MERGE", "TRUNCATE", "GRANT", "REVOKE", "PREPARE", "DEALLOCATE",
}

// clocks lists what tells the time of the server.
var clocks = []string{"NOW", "CURRENT_TIMESTAMP", "CURRENT_DATE", "CURRENT_TIME", "TODAY"}

func (o own) check() error {
	for i, t := range o {
		switch w := o.word(i); {
		case t == token{tokenMark, ";"}:
			return refuse("must be one statement; leave out what follows the ;")
		case slices.Contains(writes, w):
			return refuse("must only read; %s does not, and a column of that name needs double quotes", w)
		case slices.Contains(clocks, w) && (o.calls(i) || strings.HasPrefix(w, "CURRENT_")):
			return refuse("must not use %s, which is not the time that is judged; write $to", strings.ToLower(w))
		}
	}
	for _, name := range []string{"$from", "$to"} {
		if !slices.Contains(o, token{tokenParam, name}) {
			return refuse("must be limited to the window; add WHERE time > $from AND time <= $to")
		}
	}
	return nil
}

// calls reports whether a parenthesis follows the token at i.
func (o own) calls(i int) bool {
	rest := trim(o[i+1:])
	return len(rest) > 0 && rest[0] == token{tokenMark, "("}
}

// text writes the statement with the times of the window.
func (o own) text(from, to time.Time) string {
	var b strings.Builder
	for _, t := range o {
		switch t {
		case token{tokenParam, "$from"}:
			b.WriteString(timestamp(from))
		case token{tokenParam, "$to"}:
			b.WriteString(timestamp(to))
		default:
			b.WriteString(t.text)
		}
	}
	return b.String()
}
