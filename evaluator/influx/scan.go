package influx

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

var (
	errTooDeep   = errors.New("the answer is nested too deeply")
	errNotJSON   = errors.New("the answer is not JSON")
	errTruncated = errors.New("the answer ends in the middle")
)

const (
	deepest    = 100
	firstBytes = 64 << 10
)

// scanner reads JSON tokens from a stream through one buffer that is used
// again. Its first error stays; after it every method does nothing.
type scanner struct {
	in       io.Reader
	limit    *limited
	buf      []byte
	pos, end int
	mark     int // where a raw value begins that must stay in buf, or -1
	depth    int
	err      error
}

func (s *scanner) reset(in io.Reader, most int) {
	limit := &limited{in, most}
	if s.buf == nil {
		s.buf = make([]byte, firstBytes)
	}
	*s = scanner{in: limit, limit: limit, buf: s.buf, mark: -1}
}

func (s *scanner) fail(err error) {
	if s.err == nil {
		s.err = err
	}
	s.pos = s.end // nothing more to scan
}

func (s *scanner) failf(format string, args ...any) {
	s.fail(fmt.Errorf("%w: "+format, append([]any{errNotJSON}, args...)...))
}

// more reads on, keeps what begins at keep or at the mark, and returns by how
// much everything moved towards the front. ok is false at the end.
func (s *scanner) more(keep int) (moved int, ok bool) {
	if s.err != nil {
		return 0, false
	}
	if s.mark >= 0 {
		keep = min(keep, s.mark)
		s.mark -= keep
	}
	s.end = copy(s.buf, s.buf[keep:s.end])
	s.pos -= keep
	if s.end > mostToken {
		s.fail(errTooLarge)
		return keep, false
	}
	if s.end == len(s.buf) {
		s.buf = append(s.buf, make([]byte, len(s.buf))...)
	}
	for range 100 { // a Reader may return nothing now and then
		n, err := s.in.Read(s.buf[s.end:])
		s.end += n
		switch {
		case n > 0:
			return keep, true
		case errors.Is(err, io.EOF):
			s.fail(errTruncated)
			return keep, false
		case err != nil:
			s.fail(err)
			return keep, false
		}
	}
	s.fail(io.ErrNoProgress)
	return keep, false
}

// peek returns the first byte of the next token, 0 after an error.
func (s *scanner) peek() byte {
	for {
		for s.pos < s.end {
			switch c := s.buf[s.pos]; c {
			case ' ', '\t', '\n', '\r':
				s.pos++
			default:
				return c
			}
		}
		if _, ok := s.more(s.pos); !ok {
			return 0
		}
	}
}

// take steps over the one byte that must come next.
func (s *scanner) take(want byte) bool {
	if got := s.peek(); got != want {
		if s.err == nil {
			s.failf("%q where %q is due", got, want)
		}
		return false
	}
	s.pos++
	return true
}

// object calls each with every key; each must read the value. The key is gone
// with the first read.
func (s *scanner) object(each func(key []byte)) {
	if s.enter('{', '}') {
		s.members(each)
	}
}

// members is object after its first brace, or after a comma in it.
func (s *scanner) members(each func(key []byte)) {
	for s.err == nil {
		key, escaped := s.str()
		if !s.colonAfter(&key) {
			return
		}
		if escaped {
			key = appendText(nil, key)
		}
		each(key)
		if !s.goOn('}') {
			return
		}
	}
}

// colonAfter steps over the colon and keeps the key in place while it does.
func (s *scanner) colonAfter(key *[]byte) bool {
	if s.pos < s.end && s.buf[s.pos] == ':' {
		s.pos++
		return s.err == nil
	}
	*key = bytes.Clone(*key) // rare: space before the colon, or the end of the buffer
	return s.take(':')
}

// array calls each once for every element; each must read it.
func (s *scanner) array(each func()) {
	if !s.enter('[', ']') {
		return
	}
	for s.err == nil {
		each()
		if !s.goOn(']') {
			return
		}
	}
}

// enter steps into an object or array; it returns false when there is nothing
// in it.
func (s *scanner) enter(open, closing byte) bool {
	if !s.take(open) {
		return false
	}
	if s.depth++; s.depth > deepest {
		s.fail(errTooDeep)
		return false
	}
	if s.peek() == closing {
		s.pos++
		s.depth--
		return false
	}
	return s.err == nil
}

// goOn steps over the comma, or over the end.
func (s *scanner) goOn(closing byte) bool {
	switch c := s.peek(); {
	case s.err != nil:
		return false
	case c == ',':
		s.pos++
		return true
	case c == closing:
		s.pos++
		s.depth--
		return false
	default:
		s.failf("%q where a comma is due", c)
		return false
	}
}

// str reads a string and returns what stands between the quotes, as it stands,
// and whether it has escapes. It is good until the next read.
func (s *scanner) str() (raw []byte, escaped bool) {
	if !s.take('"') {
		return nil, false
	}
	from := s.pos
	for {
		for s.pos < s.end {
			switch c := s.buf[s.pos]; {
			case c == '"':
				s.pos++
				return s.buf[from : s.pos-1], escaped
			case c == '\\':
				escaped = true
				s.pos++
				if s.pos == s.end && !s.keeping(&from) {
					return nil, false
				}
			case c < ' ':
				s.failf("control character in a string")
				return nil, false
			}
			s.pos++
		}
		if !s.keeping(&from) {
			return nil, false
		}
	}
}

// keeping reads on and moves from with what it keeps.
func (s *scanner) keeping(from *int) bool {
	moved, ok := s.more(*from)
	*from -= moved
	return ok
}

// raw reads any value and returns it as it stands, good until the next read.
func (s *scanner) raw() []byte {
	s.peek()
	s.mark = s.pos
	s.skip()
	out := s.buf[s.mark:s.pos]
	s.mark = -1
	return out
}

// skip reads any value.
func (s *scanner) skip() {
	switch s.peek() {
	case '{':
		s.object(func([]byte) { s.skip() })
	case '[':
		s.array(s.skip)
	case '"':
		s.str()
	case 't':
		s.word("true")
	case 'f':
		s.word("false")
	case 'n':
		s.word("null")
	default:
		s.numeral()
	}
}

// word reads true, false or null.
func (s *scanner) word(want string) {
	for i := range len(want) {
		if s.pos == s.end {
			if _, ok := s.more(s.pos); !ok {
				return
			}
		}
		if s.buf[s.pos] != want[i] {
			s.failf("%q where %s is due", s.buf[s.pos], want)
			return
		}
		s.pos++
	}
}

// truth reads true or false.
func (s *scanner) truth() bool {
	if s.peek() == 't' {
		s.word("true")
		return s.err == nil
	}
	s.word("false")
	return false
}

// numeral reads the text of a number, and whether it is whole.
func (s *scanner) numeral() (text []byte, whole bool) {
	s.peek()
	from, whole := s.pos, true
	for s.err == nil {
		for s.pos < s.end {
			switch c := s.buf[s.pos]; {
			case c >= '0' && c <= '9' || c == '-':
			case c == '.' || c == 'e' || c == 'E' || c == '+':
				whole = false
			default:
				return s.checked(s.buf[from:s.pos]), whole
			}
			s.pos++
		}
		if !s.keeping(&from) {
			break
		}
	}
	return nil, false
}

// checked refuses what Go takes for a number and JSON does not.
func (s *scanner) checked(text []byte) []byte {
	digits := bytes.TrimPrefix(text, []byte("-"))
	if len(digits) == 0 || digits[0] < '0' || digits[0] > '9' || digits[0] == '0' && len(digits) > 1 && digits[1] >= '0' &&
		digits[1] <= '9' {
		s.failf("a value is due, or %q is no number", text)
	}
	return text
}

// number reads a number; n is its exact value where whole is true.
func (s *scanner) number() (x float64, n int64, whole bool) {
	if x, n, whole, ok := s.shortNumber(); ok {
		return x, n, whole
	}
	text, whole := s.numeral()
	if s.err != nil {
		return 0, 0, false
	}
	if whole {
		if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
			return float64(n), n, true
		}
	}
	x, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		s.failf("%q is no number", text)
	}
	return x, 0, false
}

// shortNumber reads the numbers that most are: all in the buffer, without an
// exponent, and with so few digits that no step of it rounds, except the last.
func (s *scanner) shortNumber() (x float64, n int64, whole, ok bool) {
	i, point := s.pos, -1
	minus := i < s.end && s.buf[i] == '-'
	if minus {
		i++
	}
	first := i
	for ; i < s.end; i++ {
		if c := s.buf[i]; c >= '0' && c <= '9' {
			n = n*10 + int64(c-'0')
		} else if c == '.' && point < 0 {
			point = i
		} else {
			break
		}
		if i-first >= 19 {
			return 0, 0, false, false
		}
	}
	if i == s.end || i == first || s.buf[i] != ',' && s.buf[i] != ']' || s.buf[first] == '0' && i > first+1 &&
		point != first+1 {
		return 0, 0, false, false
	}
	if minus {
		n = -n
	}
	if point < 0 {
		s.pos = i
		return float64(n), n, true, true
	}
	if decimals := i - point - 1; point > first && decimals > 0 && n < 1<<53 && n > -1<<53 {
		s.pos = i
		return float64(n) / powers[decimals], 0, false, true
	}
	return 0, 0, false, false
}

// powers of ten, which float64 holds exactly.
var powers = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
	1e17, 1e18, 1e19,
}

// appendText appends the string that raw is the escaped text of.
func appendText(to, raw []byte) []byte {
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 || i+1 >= len(raw) {
			return append(to, raw...)
		}
		to = append(to, raw[:i]...)
		switch c := raw[i+1]; c {
		case 'b', 'f', 'n', 'r', 't':
			to = append(to, "\b\f\n\r\t"[bytes.IndexByte([]byte("bfnrt"), c)])
		case 'u':
			r, size := escapedRune(raw[i:])
			to, raw = utf8.AppendRune(to, r), raw[i+size:]
			continue
		default:
			to = append(to, c)
		}
		raw = raw[i+2:]
	}
}

// escapedRune reads the \uXXXX at the start of raw, or a pair of them.
func escapedRune(raw []byte) (r rune, size int) {
	r, ok := hex4(raw)
	if !ok {
		return utf8.RuneError, 2
	}
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if low, ok := hex4(raw[6:]); ok {
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return utf8.RuneError, 6
}

func hex4(raw []byte) (rune, bool) {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(raw[2:6]), 16, 16)
	return rune(n), err == nil
}
