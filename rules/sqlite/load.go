package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/9bikes/tocsin/rules"
)

// querier is a reader's transaction or the pinned connection.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Load returns ledgers; see evaluator.Store.
func (s *Store) Load(ctx context.Context, ids ...string) (out []*rules.Ledger, err error) {
	err = s.read(ctx, "load ledgers", func(q querier) error {
		out, err = load(ctx, q, ids)
		return err
	})
	return out, err
}

// read runs act on one state of the database.
func (s *Store) read(ctx context.Context, name string, act func(q querier) error) error {
	tx, err := s.readers.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return s.fault(name, err)
	}
	defer func() { _ = tx.Rollback() }()
	return s.fault(name, act(tx))
}

// each calls scan for every row of a query.
func each(ctx context.Context, q querier, query string, args []any, scan func(*sql.Rows) error) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// snapshots are the ledgers being read, in the order of their ids.
type snapshots struct {
	q      querier
	ids    []any // the list as one JSON argument; nil for all
	list   []*rules.Snapshot
	byRule map[string]*rules.Snapshot
	bodies []string
}

func load(ctx context.Context, q querier, ids []string) ([]*rules.Ledger, error) {
	s := &snapshots{q: q, byRule: map[string]*rules.Snapshot{}}
	if len(ids) > 0 {
		text, err := json.Marshal(ids)
		if err != nil {
			return nil, err
		}
		s.ids = []any{string(text)}
	}
	for _, step := range []func(context.Context) error{s.ledgers, s.instances, s.alerts, s.notifications} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	out := make([]*rules.Ledger, len(s.list))
	return out, inParallel(len(out), func(i int) error {
		if s.bodies[i] != "" {
			if err := json.Unmarshal([]byte(s.bodies[i]), &s.list[i].Rule); err != nil {
				return fmt.Errorf("read a stored rule: %w", err)
			}
		}
		out[i] = rules.OpenLedger(*s.list[i])
		return nil
	})
}

// inParallel calls act for 0 to n-1 on all cores, because decoding is what a
// start spends its time on.
func inParallel(n int, act func(i int) error) error {
	var g errgroup.Group
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		g.Go(func() error {
			for i := n * w / workers; i < n*(w+1)/workers; i++ {
				if err := act(i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// query picks the form of a statement that reads all or the listed ledgers.
func (s *snapshots) query(all, listed string) string {
	if s.ids == nil {
		return all
	}
	return listed
}

const (
	ledgerColumns = `SELECT l.rule_id, l.revision, l.judged, l.matched, l.progress, r.deleted_at IS NOT NULL, r.body
		FROM ledgers l LEFT JOIN rules r ON r.id = l.rule_id `
	listed = ` IN (SELECT value FROM json_each(?1)) `

	ledgersAll = ledgerColumns + `WHERE r.deleted_at IS NULL
		OR l.rule_id IN (SELECT rule_id FROM notifications WHERE state IN ('held', 'owed', 'sending')) ORDER BY l.rule_id`
	ledgersListed = ledgerColumns + `WHERE l.rule_id` + listed + `ORDER BY l.rule_id`
)

func (s *snapshots) ledgers(ctx context.Context) error {
	return each(ctx, s.q, s.query(ledgersAll, ledgersListed), s.ids, func(rows *sql.Rows) error {
		var id, body string
		snap := &rules.Snapshot{}
		if err := rows.Scan(&id, &snap.Revision, moment(&snap.Judged), &snap.Matched, document(&snap.Progress), &snap.Deleted,
			orEmpty(&body)); err != nil {
			return err
		}
		s.list, s.bodies = append(s.list, snap), append(s.bodies, body)
		s.byRule[id] = snap
		return nil
	})
}

const (
	instanceColumns = `SELECT rule_id, series, state, since, quiet_since, stood, cooldown_until, untold, snooze,
		seen, ok_at,
		rejudge, value, text, level, recent FROM instances `
	instancesAll    = instanceColumns + `ORDER BY rule_id, series`
	instancesListed = instanceColumns + `WHERE rule_id` + listed + `ORDER BY rule_id, series`
)

func (s *snapshots) instances(ctx context.Context) error {
	return each(ctx, s.q, s.query(instancesAll, instancesListed), s.ids, func(rows *sql.Rows) error {
		var rule, series, text string
		var stood int64
		in := &rules.Instance{}
		err := rows.Scan(&rule, &series, state(&in.State), moment(&in.Since), moment(&in.QuietSince), &stood,
			moment(&in.CooldownUntil),
			&in.Untold, document(&in.Snooze), moment(&in.Seen), moment(&in.OKAt), &in.Rejudge, measurement(&in.Value), &text,
			&in.Level, samples(in))
		if err != nil {
			return fmt.Errorf("read instance %s of rule %s: %w", series, rule, err)
		}
		in.Series, in.Text, in.Stood = rules.Series(series), text, time.Duration(stood)
		if snap := s.byRule[rule]; snap != nil {
			snap.Instances = append(snap.Instances, in)
		}
		return nil
	})
}

// open lists the alerts that a ledger holds: live ones, and those whose
// messages are not all out.
const (
	openAll = `WITH open (id) AS (SELECT id FROM alerts WHERE resolved_at IS NULL
		UNION SELECT alert_id FROM notifications WHERE state IN ('held', 'owed', 'sending')) `
	openListed = `WITH open (id) AS (SELECT id FROM alerts WHERE resolved_at IS NULL AND rule_id` + listed + `
		UNION SELECT alert_id FROM notifications WHERE state IN ('held', 'owed', 'sending') AND rule_id` + listed + `) `

	alertColumns = `SELECT a.id, a.rule_id, a.series, a.severity, a.started_at, a.resolved_at, a.value, a.peak, a.body `
	alertsOpen   = alertColumns + `FROM open CROSS JOIN alerts a ON a.id = open.id ORDER BY a.started_at, a.id`
)

func (s *snapshots) alerts(ctx context.Context) error {
	return each(ctx, s.q, s.query(openAll+alertsOpen, openListed+alertsOpen), s.ids, func(rows *sql.Rows) error {
		a := &rules.Alert{}
		if err := scanAlert(rows, a); err != nil {
			return err
		}
		if snap := s.byRule[a.RuleID]; snap != nil {
			snap.Alerts = append(snap.Alerts, a)
		}
		return nil
	})
}

const (
	notificationColumns = `SELECT n.id, n.rule_id, n.alert_id, n.channel, n.target, n.origin, n.reason, n.state, n.held_by,
		n.booked_at, n.due, n.attempts, n.message, n.unknown, n.error, n.code, n.done_at, n.fallback, n.facts,
		n.rowid AS place FROM `
	notificationsOpen = notificationColumns + `open CROSS JOIN notifications n ON n.alert_id = open.id UNION ALL ` +
		notificationColumns + `notifications n WHERE n.alert_id IS NULL AND n.state IN ('held', 'owed', 'sending')`
	notificationsAll    = openAll + notificationsOpen + ` ORDER BY booked_at, place`
	notificationsListed = openListed + notificationsOpen + ` AND n.rule_id` + listed + `ORDER BY booked_at, place`
)

func (s *snapshots) notifications(ctx context.Context) error {
	return each(ctx, s.q, s.query(notificationsAll, notificationsListed), s.ids, func(rows *sql.Rows) error {
		n := &rules.Notification{}
		if err := scanNotification(rows, n); err != nil {
			return err
		}
		if snap := s.byRule[n.RuleID]; snap != nil {
			snap.Notifications = append(snap.Notifications, n)
		}
		return nil
	})
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

// scanAlert reads the columns of alertColumns.
func scanAlert(rows *sql.Rows, a *rules.Alert) error {
	var d details
	err := rows.Scan(&a.ID, &a.RuleID, &a.Series, &a.Severity, moment(&a.StartedAt), moment(&a.ResolvedAt),
		measurement(&a.Value), measurement(&a.Peak), document(&d))
	if err != nil {
		return fmt.Errorf("read alert %s: %w", a.ID, err)
	}
	d.into(a)
	return nil
}

// scanNotification reads the columns of notificationColumns.
func scanNotification(rows *sql.Rows, n *rules.Notification) error {
	var place int64
	err := rows.Scan(&n.ID, &n.RuleID, orEmpty(&n.AlertID), &n.Channel, &n.Target, &n.Origin, &n.Reason, &n.State,
		&n.HeldBy,
		moment(&n.BookedAt), moment(&n.Due), &n.Attempts, &n.Message, &n.Unknown, &n.Error, &n.Code, moment(&n.DoneAt),
		&n.Fallback,
		document(&n.Facts), &place)
	if err != nil {
		return fmt.Errorf("read notification %s: %w", n.ID, err)
	}
	return nil
}
