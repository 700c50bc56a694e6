package column

import (
	"encoding/json"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// Ledgers puts together what is read of ledgers, row by row: first the ledgers,
// then what belongs to them, in the order in which they are to have it.
type Ledgers struct {
	list   []*rules.Snapshot
	byRule map[string]*rules.Snapshot
	bodies [][]byte
}

// Ledger reads rule_id, revision, judged, matched, progress, whether the rule is
// deleted, and its body.
func (s *Ledgers) Ledger(row Row) error {
	var id string
	var body []byte
	snap := &rules.Snapshot{}
	if err := row.Scan(&id, &snap.Revision, Moment(&snap.Judged), &snap.Matched, Document(&snap.Progress), &snap.Deleted,
		&body); err != nil {
		return err
	}
	if s.byRule == nil {
		s.byRule = map[string]*rules.Snapshot{}
	}
	s.list, s.bodies = append(s.list, snap), append(s.bodies, body)
	s.byRule[id] = snap
	return nil
}

// Instance reads the columns that Instance writes.
func (s *Ledgers) Instance(row Row) error {
	var rule, series, text string
	var stood int64
	in := &rules.Instance{}
	err := row.Scan(&rule, &series, state(&in.State), Moment(&in.Since), Moment(&in.QuietSince), &stood,
		Moment(&in.CooldownUntil), &in.Untold, Document(&in.Snooze), Moment(&in.Seen), Moment(&in.OKAt), &in.Rejudge,
		Measurement(&in.Value), &text, &in.Level, samples(in))
	if err != nil {
		return fmt.Errorf("read instance %s of rule %s: %w", series, rule, err)
	}
	in.Series, in.Text, in.Stood = rules.Series(series), text, time.Duration(stood)
	if snap := s.byRule[rule]; snap != nil {
		snap.Instances = append(snap.Instances, in)
	}
	return nil
}

// Alert reads what ReadAlert does.
func (s *Ledgers) Alert(row Row) error {
	a := &rules.Alert{}
	if err := ReadAlert(row, a); err != nil {
		return err
	}
	if snap := s.byRule[a.RuleID]; snap != nil {
		snap.Alerts = append(snap.Alerts, a)
	}
	return nil
}

// Notification reads what ReadNotification does.
func (s *Ledgers) Notification(row Row) error {
	n := &rules.Notification{}
	if err := ReadNotification(row, n); err != nil {
		return err
	}
	if snap := s.byRule[n.RuleID]; snap != nil {
		snap.Notifications = append(snap.Notifications, n)
	}
	return nil
}

// Open returns the ledgers, in the order in which they were read.
func (s *Ledgers) Open() ([]*rules.Ledger, error) {
	out := make([]*rules.Ledger, len(s.list))
	return out, inParallel(len(out), func(i int) error {
		if err := decode(s.bodies[i], &s.list[i].Rule); err != nil {
			return err
		}
		out[i] = rules.OpenLedger(*s.list[i])
		return nil
	})
}

// Rules reads the bodies of rules.
type Rules struct{ bodies [][]byte }

// Body reads one.
func (r *Rules) Body(row Row) error {
	r.bodies = append(r.bodies, nil)
	return row.Scan(&r.bodies[len(r.bodies)-1])
}

// List returns the rules, in the order in which they were read.
func (r *Rules) List() ([]rules.Rule, error) {
	list := make([]rules.Rule, len(r.bodies))
	return list, inParallel(len(list), func(i int) error { return decode(r.bodies[i], &list[i]) })
}

func decode(body []byte, to *rules.Rule) error {
	if len(body) == 0 {
		return nil // tocsin's own ledger has no rule
	}
	if err := json.Unmarshal(body, to); err != nil {
		return fmt.Errorf("read a stored rule: %w", err)
	}
	return nil
}

// inParallel calls act for 0 to n-1 on all cores, because decoding is what a
// start spends its time on.
func inParallel(n int, act func(i int) error) error {
	workers := runtime.GOMAXPROCS(0)
	errs := make([]error, workers)
	var wait sync.WaitGroup
	for w := range workers {
		wait.Go(func() {
			for i := n * w / workers; i < n*(w+1)/workers && errs[w] == nil; i++ {
				errs[w] = act(i)
			}
		})
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// details is what is stored of an alert besides what lists ask for.
type details struct {
	RuleVersion int                     `json:"rule_version"`
	Title       string                  `json:"title"`
	Text        string                  `json:"text,omitempty"`
	Since       time.Time               `json:"since,omitzero"`
	Reason      string                  `json:"reason,omitempty"`
	Ack         *rules.Acknowledgement  `json:"ack,omitempty"`
	PastAcks    []rules.Acknowledgement `json:"past_acks,omitempty"`
	Evidence    rules.Evidence          `json:"evidence"`
	Level       int                     `json:"level,omitempty"`
	Told        int                     `json:"told"`
	HeldBy      string                  `json:"held_by,omitempty"`
	DueAt       time.Time               `json:"due_at,omitzero"`
	RemindAt    time.Time               `json:"remind_at,omitzero"`
	Reminders   int                     `json:"reminders,omitempty"`
	EscalatedAt time.Time               `json:"escalated_at,omitzero"`
}

func detailsOf(a *rules.Alert) *details {
	return &details{
		RuleVersion: a.RuleVersion, Title: a.Title, Text: a.Text, Since: a.Since, Reason: a.Reason, Ack: a.Ack,
		PastAcks: a.PastAcks,
		Evidence: a.Evidence, Level: a.Level, Told: a.Told, HeldBy: a.HeldBy, DueAt: a.DueAt, RemindAt: a.RemindAt,
		Reminders: a.Reminders, EscalatedAt: a.EscalatedAt,
	}
}

func (d *details) into(a *rules.Alert) {
	a.RuleVersion, a.Title, a.Text, a.Since, a.Reason, a.Ack, a.PastAcks = d.RuleVersion, d.Title, d.Text, d.Since,
		d.Reason, d.Ack, d.PastAcks
	a.Evidence, a.Level, a.Told, a.HeldBy, a.DueAt, a.RemindAt = d.Evidence, d.Level, d.Told, d.HeldBy, d.DueAt, d.RemindAt
	a.Reminders, a.EscalatedAt = d.Reminders, d.EscalatedAt
}

// ReadAlert reads id, rule_id, series, severity, started_at, resolved_at, value,
// peak and body.
func ReadAlert(row Row, a *rules.Alert) error {
	var d details
	err := row.Scan(&a.ID, &a.RuleID, &a.Series, &a.Severity, Moment(&a.StartedAt), Moment(&a.ResolvedAt),
		Measurement(&a.Value), Measurement(&a.Peak), Document(&d))
	if err != nil {
		return fmt.Errorf("read alert %s: %w", a.ID, err)
	}
	d.into(a)
	return nil
}

// ReadNotification reads the columns that Notification writes, and one for the
// order of those that were booked together.
func ReadNotification(row Row, n *rules.Notification) error {
	var place int64
	err := row.Scan(&n.ID, &n.RuleID, OrEmpty(&n.AlertID), &n.Channel, &n.Target, &n.Origin, &n.Reason, &n.State,
		&n.HeldBy, Moment(&n.BookedAt), Moment(&n.Due), &n.Attempts, &n.Message, &n.Unknown, &n.Error, &n.Code,
		Moment(&n.DoneAt), &n.Fallback, Document(&n.Facts), &place)
	if err != nil {
		return fmt.Errorf("read notification %s: %w", n.ID, err)
	}
	return nil
}
