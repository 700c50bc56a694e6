package influx

import (
	"errors"
	"io"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

const (
	mostAnswer = 64 << 20 // of one request, when the options say nothing

	// Far above what a server has: a text of a field has 64 KiB at most, and a
	// token is held in memory as a whole.
	mostToken = 4 << 20
	mostCells = 1 << 17 // in a row: a count of everything has one for each field
	mostTable = 500_000 // rows about the schema
)

// seriesCost is what a series takes besides its text, once it was read. It counts
// as if it were text: short series would take five times their answer.
const seriesCost = 256

var errTooLarge = errors.New("the answer is larger than max_answer")

// limited ends a reader with errTooLarge.
type limited struct {
	in   io.Reader
	left int
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.in.Read(p)
	if over := l.take(n); over != nil {
		return 0, over
	}
	return n, err
}

// take counts so many bytes.
func (l *limited) take(n int) error {
	if l.left -= n; l.left < 0 {
		return errTooLarge
	}
	return nil
}

// relieve gives memory back that an answer took which broke off.
func (c *Client) relieve(read int) {
	if read > mostToken {
		c.memory.GiveBack()
	}
}

// tooLarge is the error for an answer that is not read to its end.
func (c *Client) tooLarge() error {
	return evaluator.TooMuch(rules.Errorf(rules.Invalid,
		"the answer of InfluxDB at %s is larger than %d MB; narrow the query with where, fewer tags in group_by or a "+
			"shorter window, or raise max_answer of the source",
		c.base.String(), c.options.MaxAnswer>>20))
}
