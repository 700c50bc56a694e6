package mcp

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// patience is how long the end of the input is held back for answers that are
// still under way.
const patience = time.Minute

// ledger knows which requests were read and not answered yet.
type ledger struct {
	ended   <-chan struct{} // closed when the session ends, which ends every wait
	mu      sync.Mutex
	open    map[string]int
	settled chan struct{} // closed while nothing is open
}

func newLedger(ended <-chan struct{}) *ledger {
	settled := make(chan struct{})
	close(settled)
	return &ledger{ended: ended, open: map[string]int{}, settled: settled}
}

// envelope is what of a message tells whether it asks or answers.
type envelope struct {
	ID     any    `json:"id"`
	Method string `json:"method"`
	Params struct {
		RequestID any `json:"requestId"`
	} `json:"params"`
}

func (e envelope) asks() bool {
	// A subscription is answered when it ends, and it ends with the input.
	return e.Method != "" && e.Method != "subscriptions/listen" && e.ID != nil
}

// asked notes a line that was read.
func (l *ledger) asked(line []byte) (method string) {
	var e envelope
	if json.Unmarshal(line, &e) != nil {
		return ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case e.asks():
		if len(l.open) == 0 {
			l.settled = make(chan struct{})
		}
		l.open[key(e.ID)]++
	case e.Method == "notifications/cancelled":
		l.settle(key(e.Params.RequestID))
	}
	return e.Method
}

// answered notes a line that was written.
func (l *ledger) answered(line []byte) {
	var e envelope
	if json.Unmarshal(line, &e) != nil || e.Method != "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle(key(e.ID))
}

// key tells the id 1 from the id "1".
func key(id any) string { return fmt.Sprintf("%T %v", id, id) }

func (l *ledger) settle(id string) {
	switch l.open[id] {
	case 0:
		return
	case 1:
		delete(l.open, id)
	default:
		l.open[id]--
	}
	if len(l.open) == 0 {
		close(l.settled)
	}
}

// wait returns when everything is answered, the session ends, or patience does.
func (l *ledger) wait() {
	l.mu.Lock()
	settled := l.settled
	l.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-settled:
	case <-l.ended:
	case <-timer.C:
	}
}

// lineReader gives the protocol server whole lines. It ends a last line that
// lacks its end, holds the end of the input back until the answers are out, and
// lets nothing overtake the handshake.
type lineReader struct {
	in    *bufio.Reader
	calls *ledger
	rest  []byte
	after func() // to be done before the next line
	end   error
}

func newLineReader(in io.Reader, calls *ledger) *lineReader {
	return &lineReader{in: bufio.NewReader(in), calls: calls}
}

// Read gives at most one line at a time.
func (r *lineReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// next reads the next line that is not blank.
func (r *lineReader) next() error {
	for {
		if r.after != nil {
			r.after()
			r.after = nil
		}
		if r.end != nil {
			return r.end
		}
		var line []byte
		line, r.end = r.in.ReadBytes('\n')
		if errors.Is(r.end, io.EOF) {
			r.after = r.calls.wait
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if r.calls.asked(line) == "initialize" {
			r.after = r.calls.wait
		}
		line = append(line, '\n')
		r.rest = line
		return nil
	}
}

// lineWriter passes answers on, one at a time, and notes which.
type lineWriter struct {
	calls *ledger
	mu    sync.Mutex
	out   io.Writer
}

// Write takes one whole message.
func (w *lineWriter) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := w.out.Write(line)
	w.calls.answered(line)
	return n, err
}
