package influx3

import (
	"strings"
	"unicode/utf8"

	"github.com/9bikes/tocsin/rules"
)

// tokenKind tells what a token of SQL is.
type tokenKind uint8

const (
	tokenSpace tokenKind = iota // comments, too, which are not sent
	tokenWord                   // a keyword or a name without quotes
	tokenNumber
	tokenText // in single quotes
	tokenName // in double quotes
	tokenParam
	tokenMark // one character of punctuation
)

type token struct {
	kind tokenKind
	text string
}

// marks are the characters that SQL is made of besides words, numbers and
// quotes. Those that dialects disagree about, as ` # @ ? \ are left out.
const marks = "(),.;:*+-/%=<>!|&^~[]"

// lexer cuts SQL into tokens. It refuses whatever some dialect might cut
// another way.
type lexer struct {
	text string
	at   int
}

func refuse(format string, args ...any) error {
	return rules.FieldErrorf("condition.text", format, args...)
}

// tokenize returns the tokens of a text; together they are the text, with a
// space for each comment.
func tokenize(text string) ([]token, error) {
	if err := checkText(text); err != nil {
		return nil, err
	}
	l := lexer{text: text}
	var out []token
	for l.at < len(text) {
		t, err := l.next()
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

const longestOwn = 16 << 10

func checkText(text string) error {
	switch {
	case len(text) > longestOwn:
		return refuse("must be at most %d bytes; got %d", longestOwn, len(text))
	case !utf8.ValidString(text):
		return refuse("must be UTF-8 text")
	case strings.ContainsFunc(text, func(r rune) bool {
		return r < ' ' && !strings.ContainsRune("\t\r\n", r) || r == 0x7f
	}):
		return refuse("must not contain control characters")
	}
	return nil
}

func (l *lexer) next() (token, error) {
	rest := l.text[l.at:]
	switch c := rest[0]; {
	case strings.IndexByte(" \t\r\n", c) >= 0:
		return l.take(tokenSpace, 1), nil
	case strings.HasPrefix(rest, "--"):
		size := strings.IndexByte(rest, '\n') + 1
		if size == 0 {
			size = len(rest)
		}
		return l.comment(size), nil
	case strings.HasPrefix(rest, "/*"):
		return l.longComment()
	case c == '\'':
		return l.quoted(tokenText)
	case c == '"':
		return l.quoted(tokenName)
	case c == '$':
		return l.param()
	case digit(c):
		return l.take(tokenNumber, run(rest, func(c byte) bool { return inWord(c) || c == '.' })), nil
	case inWord(c):
		return l.take(tokenWord, run(rest, inWord)), nil
	case strings.HasPrefix(rest, "//"), strings.IndexByte(marks, c) < 0:
		r, _ := utf8.DecodeRuneInString(rest)
		return token{}, refuse("must not have %q outside of quotes; put names in double quotes and texts in single ones", r)
	}
	return l.take(tokenMark, 1), nil
}

func (l *lexer) take(k tokenKind, size int) token {
	l.at += size
	return token{k, l.text[l.at-size : l.at]}
}

func (l *lexer) comment(size int) token {
	l.at += size
	return token{tokenSpace, " "}
}

// longComment reads a comment, and those inside of it.
func (l *lexer) longComment() (token, error) {
	rest, depth := l.text[l.at:], 0
	for i := 0; i+1 < len(rest); i++ {
		switch rest[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
		}
		if depth == 0 {
			return l.comment(i + 1), nil
		}
	}
	return token{}, refuse("has a comment without an end; write */ behind it")
}

// quoted reads what stands in quotes, where a doubled quote is one.
func (l *lexer) quoted(k tokenKind) (token, error) {
	if l.at > 0 && (inWord(l.text[l.at-1]) || strings.IndexByte("&$", l.text[l.at-1]) >= 0) {
		return token{}, refuse("must not have a letter or sign right before a quote; put a space between them")
	}
	rest := l.text[l.at:]
	for i := 1; i < len(rest); i++ {
		switch {
		case rest[i] != rest[0]:
		case rest[i-1] == '\\':
			return token{},
				refuse("must not have a backslash before a quote, which servers read differently; write chr(92) for it")
		case i+1 < len(rest) && rest[i+1] == rest[0]:
			i++
		default:
			return l.take(k, i+1), nil
		}
	}
	return token{}, refuse("has a quote without an end")
}

// param reads $from or $to, and refuses anything else that begins with $: it
// may begin a quote.
func (l *lexer) param() (token, error) {
	size := 1 + run(l.text[l.at+1:], func(c byte) bool { return inWord(c) || c == '$' })
	alone := l.at == 0 || !inWord(l.text[l.at-1])
	t := l.take(tokenParam, size)
	if !alone || t.text != "$from" && t.text != "$to" {
		return token{}, refuse("must not have %s; the only parameters are $from and $to", t.text)
	}
	return t, nil
}

// run is how many bytes at the start of text are like that.
func run(text string, like func(byte) bool) int {
	for i := range len(text) {
		if !like(text[i]) {
			return i
		}
	}
	return len(text)
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func inWord(c byte) bool { return c == '_' || digit(c) || c|0x20 >= 'a' && c|0x20 <= 'z' }
