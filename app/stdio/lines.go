package stdio

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/9bikes/tocsin/app/jsonrpc"
)

// line is one line of the input, or why there is none.
type line struct {
	text []byte
	err  error // io.EOF at the end; errLong for a line that was left out
}

var errLong = errors.New("the line is too long")

// readLines hands on the lines of in that are not blank, the last one even
// without an end, until done is closed. It closes nothing after an error but
// ends.
func readLines(in io.Reader, done <-chan struct{}) <-chan line {
	out := make(chan line)
	go func() {
		r := bufio.NewReader(in)
		for {
			text, err := readLine(r)
			text = bytes.TrimPrefix(text, []byte("\ufeff"))
			if len(text) == 0 && err == nil {
				continue
			}
			select {
			case out <- line{text, err}:
			case <-done:
				return
			}
			if err != nil && !errors.Is(err, errLong) {
				return
			}
		}
	}()
	return out
}

// readLine reads one line without its end, of which no more is kept than a
// message may have.
func readLine(r *bufio.Reader) (text []byte, err error) {
	long := false
	for {
		part, err := r.ReadSlice('\n')
		if long = long || len(text)+len(part) > jsonrpc.MaxMessage; !long {
			text = append(text, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && len(bytes.TrimSpace(text)) == 0:
			return nil, fmt.Errorf("read standard input: %w", err)
		case long:
			return nil, errLong
		}
		return bytes.TrimSpace(text), nil // an error comes again with the next read
	}
}
