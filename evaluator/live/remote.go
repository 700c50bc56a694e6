package live

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// Remote is the live source of the daemon, asked from another process of the
// same machine: the command line and MCP check rules against it.
type Remote struct {
	url    string
	client *http.Client
}

var _ evaluator.Source = (*Remote)(nil)

// NewRemote returns the live source called name of the daemon at base, such as
// http://tocsin. daemon takes requests there, nil as the address says.
func NewRemote(base, name string, daemon http.RoundTripper) *Remote {
	if daemon == nil {
		daemon = &http.Transport{}
	}
	return &Remote{url: base + "/live/" + name, client: &http.Client{Transport: daemon, Timeout: 10 * time.Second}}
}

// mostAnswer bounds what the daemon answers.
const mostAnswer = 64 << 20

// question is what a Remote asks; the daemon answers it with an answer.
type question struct {
	Ask         string        `json:"ask"` // query, measurements, fields, tags, values, ping
	Queries     []remoteQuery `json:"queries,omitempty"`
	Measurement string        `json:"measurement,omitempty"`
	Tag         string        `json:"tag,omitempty"`
	Limit       int           `json:"limit,omitempty"`
}

// remoteQuery is a Query with its filter as it stands: a rules.Filter is
// written for people and checked when read.
type remoteQuery struct {
	evaluator.Query
	Where map[string][]string `json:"where"`
}

type answer struct {
	Rows   []remoteRow       `json:"rows,omitempty"`
	Errors []*rules.Error    `json:"errors,omitempty"` // one for each query
	Names  []string          `json:"names,omitempty"`
	Fields map[string]string `json:"fields,omitempty"`
	Error  *rules.Error      `json:"error,omitempty"`
}

// remoteRow is a Row as JSON, which has no NaN.
type remoteRow struct {
	Query  int          `json:"q"`
	Series rules.Series `json:"series"`
	At     time.Time    `json:"at"`
	Values []*float64   `json:"values"`
	Texts  []string     `json:"texts,omitempty"`
	Last   time.Time    `json:"last,omitzero"`
}

// ask puts a question to the daemon.
func (r *Remote) ask(ctx context.Context, q question) (a answer, err error) {
	body, err := json.Marshal(q)
	if err != nil {
		return a, fmt.Errorf("write the question: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(body))
	if err != nil {
		return a, fmt.Errorf("make the request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := r.client.Do(req)
	var slow interface{ Timeout() bool }
	if errors.As(err, &slow) && slow.Timeout() {
		return a, evaluator.TooMuch(rules.Errorf(rules.Unavailable, "the daemon did not answer for its live source in time"))
	}
	if err != nil {
		return a, rules.Errorf(rules.Unavailable,
			"the live source is in the daemon, which does not answer; start it with `tocsin serve`, and run this as a user "+
				"who may use its socket")
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer+1))
	if len(text) > mostAnswer {
		return a, evaluator.TooMuch(rules.Errorf(rules.Invalid,
			"the answer of the live source is larger than %d MB; ask for a shorter time or fewer series", mostAnswer>>20))
	}
	if err == nil {
		err = json.Unmarshal(text, &a)
	}
	if err != nil || resp.StatusCode != http.StatusOK {
		return a, rules.Errorf(rules.Unavailable, "the daemon answers %d for its live source; is it of another version?",
			resp.StatusCode)
	}
	if a.Error != nil {
		return a, a.Error
	}
	return a, nil
}

// Query asks the daemon's live source.
func (r *Remote) Query(ctx context.Context, queries []evaluator.Query, each func(int, evaluator.Row)) []error {
	errs := make([]error, len(queries))
	q := question{Ask: "query"}
	for _, query := range queries {
		where := query.Where
		query.Where = nil
		q.Queries = append(q.Queries, remoteQuery{query, where})
	}
	a, err := r.ask(ctx, q)
	for i := range errs {
		switch {
		case err != nil:
			errs[i] = err
		case i < len(a.Errors) && a.Errors[i] != nil:
			errs[i] = a.Errors[i]
		}
	}
	for _, row := range a.Rows {
		if row.Query >= len(queries) {
			continue
		}
		values := make([]float64, len(row.Values))
		for i, v := range row.Values {
			values[i] = math.NaN()
			if v != nil {
				values[i] = *v
			}
		}
		each(row.Query, evaluator.Row{Series: row.Series, At: row.At, Values: values, Texts: row.Texts, Last: row.Last})
	}
	return errs
}

// Explain tells what the source would be asked.
func (r *Remote) Explain(q evaluator.Query) string { return (*Store)(nil).Explain(q) }

// Measurements lists the measurements.
func (r *Remote) Measurements(ctx context.Context) ([]string, error) {
	a, err := r.ask(ctx, question{Ask: "measurements"})
	return a.Names, err
}

// Fields lists the fields of a measurement with their types.
func (r *Remote) Fields(ctx context.Context, measurement string) (map[string]string, error) {
	a, err := r.ask(ctx, question{Ask: "fields", Measurement: measurement})
	return a.Fields, err
}

// Tags lists the tag names of a measurement.
func (r *Remote) Tags(ctx context.Context, measurement string) ([]string, error) {
	a, err := r.ask(ctx, question{Ask: "tags", Measurement: measurement})
	return a.Names, err
}

// TagValues lists values of a tag.
func (r *Remote) TagValues(ctx context.Context, measurement, tag string, limit int) ([]string, error) {
	a, err := r.ask(ctx, question{Ask: "values", Measurement: measurement, Tag: tag, Limit: limit})
	return a.Names, err
}

// Ping tells what answers.
func (r *Remote) Ping(ctx context.Context) (string, error) {
	a, err := r.ask(ctx, question{Ask: "ping"})
	if err != nil || len(a.Names) == 0 {
		return "", err
	}
	return a.Names[0], nil
}

// Remote serves the questions of Remotes. Who may ask is for the caller to
// decide.
func (s *Store) Remote() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q question
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<20)).Decode(&q); err != nil {
			http.Error(w, "the question is not JSON", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(s.reply(r.Context(), q)); err != nil {
			return // the asker is gone
		}
	})
}

func (s *Store) reply(ctx context.Context, q question) (a answer) {
	var err error
	switch q.Ask {
	case "query":
		a.Rows, a.Errors = s.replyRows(ctx, q.Queries)
	case "measurements":
		a.Names, err = s.Measurements(ctx)
	case "fields":
		a.Fields, err = s.Fields(ctx, q.Measurement)
	case "tags":
		a.Names, err = s.Tags(ctx, q.Measurement)
	case "values":
		a.Names, err = s.TagValues(ctx, q.Measurement, q.Tag, q.Limit)
	case "ping":
		a.Names = make([]string, 1)
		a.Names[0], err = s.Ping(ctx)
	default:
		err = rules.Errorf(rules.Invalid, "no such question %q", q.Ask)
	}
	a.Error = ours(err)
	return a
}

func (s *Store) replyRows(ctx context.Context, asked []remoteQuery) (rows []remoteRow, errs []*rules.Error) {
	queries := make([]evaluator.Query, len(asked))
	for i, q := range asked {
		queries[i] = q.Query
		queries[i].Where = q.Where
	}
	for _, err := range s.Query(ctx, queries, func(q int, row evaluator.Row) {
		out := remoteRow{Query: q, Series: row.Series, At: row.At, Last: row.Last, Texts: append([]string(nil), row.Texts...)}
		for _, v := range row.Values {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				out.Values = append(out.Values, nil)
				continue
			}
			out.Values = append(out.Values, &v)
		}
		rows = append(rows, out)
	}) {
		errs = append(errs, ours(err))
	}
	return rows, errs
}

// ours is err as one that crosses the wire.
func ours(err error) *rules.Error {
	if err == nil {
		return nil
	}
	var e *rules.Error
	if errors.As(err, &e) {
		return e
	}
	return &rules.Error{Code: rules.Internal, Text: "the live source failed"}
}
