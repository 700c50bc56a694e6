package evaluator

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// Trouble is why a rule is not judged although its source answers: what the
// source says of its query.
type Trouble struct {
	Since time.Time // the nominal time of the first tick
	Err   error
}

// troubles are those of the rules that cannot be judged now.
type troubles struct {
	count  atomic.Int32 // of byRule, so that a rule in no trouble waits for nobody
	mu     sync.Mutex
	byRule map[string]Trouble
}

// note keeps what became of a rule at a tick, and reports whether that is news.
// A source that does not answer is no trouble of a rule.
func (t *troubles) note(rule string, tick time.Time, err error) (news bool) {
	if err == nil && t.count.Load() == 0 || rules.CodeOf(err) == rules.Unavailable {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	was, had := t.byRule[rule]
	switch {
	case err == nil:
		delete(t.byRule, rule)
	case had:
		t.byRule[rule] = Trouble{was.Since, err}
	default:
		if t.byRule == nil {
			t.byRule = map[string]Trouble{}
		}
		t.byRule[rule] = Trouble{tick, err}
	}
	t.count.Store(int32(len(t.byRule)))
	return had != (err != nil)
}

// Trouble tells what keeps a rule from being judged; false when it is judged.
func (e *Engine) Trouble(rule string) (Trouble, bool) {
	e.troubles.mu.Lock()
	defer e.troubles.mu.Unlock()
	t, ok := e.troubles.byRule[rule]
	return t, ok
}
