package mcp

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// ServeStdio answers what comes from in until it ends or ctx does; both are
// success. Everything that was asked before the end of in is answered. Nothing
// but the protocol goes to out. A read of in that is under way when ctx ends is
// left to end by itself.
func (s *Server) ServeStdio(ctx context.Context, in io.Reader, out io.Writer) error {
	local := s.Local()
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- local.Run(ctx) }()
	err := NewBridge([]Target{local.Target()}, BridgeOptions{Log: s.log}).Run(ctx, in, out)
	cancel()
	return errors.Join(err, <-done)
}

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
		if long = long || len(text)+len(part) > maxMessage; !long {
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
