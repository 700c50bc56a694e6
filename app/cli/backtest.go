package cli

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/insight"
	"github.com/9bikes/tocsin/app/ruleflags"
	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/rules"
)

// backtestFlags say what to try a rule on.
type backtestFlags struct {
	rule                                ruleflags.Flags
	from, to, data, precision, verdicts string

	readData func(file io.Reader, form evaluator.DataForm) (*evaluator.Data, error)
	unit     time.Duration // that precision means
}

// precisions are what the unix times of a file may count.
var precisions = map[string]time.Duration{
	"": 0, "ns": time.Nanosecond, "us": time.Microsecond, "ms": time.Millisecond,
	"s": time.Second,
}

func (d *door) backtest() *cobra.Command {
	f := backtestFlags{readData: d.program.ReadData}
	cmd := &cobra.Command{
		Use: "backtest [NAME]", Short: "Try a rule on the past: what would it have done?", Args: exactly("[NAME]"),
		Long: `Try a rule, saved or not, on the past of its source or on a file, through the
same state machine as live. Nothing is saved and nobody is told.

Flags change the rule for the trial, so that a threshold can be found before
it is saved. With --data the points come from a file, and the rule is judged at
each of the file's times: line protocol, also as influx_inspect exports it,
annotated CSV of InfluxDB 2, the history that Home Assistant exports, or a table
with a column timestamp or time, parted by commas, semicolons or tabs, in which
columns of numbers are fields and columns of text are tags.`,
		Example: `tocsin backtest freezer --from 7d
tocsin backtest freezer --from 30d --value -14 --for 20m
tocsin backtest --file freezer.yaml --data history.csv --verdicts out.csv`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && cmd.Flags().NFlag() == 0 {
				return rules.Errorf(rules.Invalid, "name a rule, or give one with flags or --file; for example `%s`", example(cmd))
			}
			if f.data != "" && len(args) == 0 {
				a := app.New(app.App{Config: &app.Config{Every: app.DefaultEvery}})
				return f.run(cmd.Context(), &call{App: a, page: d.page(cmd), cmd: cmd, args: args})
			}
			return d.with(nothing, f.run)(cmd, args)
		},
	}
	f.rule.Register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.from, "from", "", "begin: a duration ago such as 30d, or a time (default 7d)")
	flags.StringVar(&f.to, "to", "", "end: a duration ago, or a time (default now)")
	flags.StringVar(&f.data, "data", "", "file of points to try the rule on, - for standard input")
	flags.StringVar(&f.precision, "precision", "",
		"what unix times in --data count: ns, us, ms or s (default: recognised)")
	flags.StringVar(&f.verdicts, "verdicts", "", "write every verdict to this CSV: timestamp,series,value,score,state")
	return cmd
}

func (f *backtestFlags) run(ctx context.Context, c *call) (err error) {
	req, err := f.request(c)
	if err != nil {
		return err
	}
	if f.data != "" {
		file, err := openInput(c.cmd.InOrStdin(), f.data)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		req.Data = func(form evaluator.DataForm) (*evaluator.Data, error) {
			form.Precision = f.unit
			return f.readData(&bounded{file, mostFile}, form)
		}
	}
	if f.verdicts != "" {
		w, err := newVerdicts(f.verdicts)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, w.close()) }()
		req.Verdict = w.write
	}
	bar := c.progress()
	req.Progress = bar.show
	got, err := insight.New(c.App).Backtest(ctx, req)
	bar.end()
	if err != nil {
		return err
	}
	return c.answer(map[string]any{"backtest": got}, got.Warnings, func() { c.showBacktest(got) })
}

func (f *backtestFlags) request(c *call) (req insight.BacktestRequest, err error) {
	if len(c.args) > 0 {
		req.Rule = c.args[0]
	}
	if req.Doc, err = f.rule.Doc(c.cmd); err != nil {
		return req, err
	}
	if req.Rule == "" && len(req.Doc) == 0 {
		return req, rules.Errorf(rules.Invalid, "name a rule, or give one with flags or --file; for example `%s`",
			example(c.cmd))
	}
	if req.Rule == "" && f.data != "" && req.Doc["measurement"] == nil {
		req.Doc["measurement"] = "data"
	}
	known := false
	if f.unit, known = precisions[f.precision]; !known {
		return req, rules.Errorf(rules.Invalid, "--precision must be one of ns, us, ms, s; got %q", f.precision)
	}
	now := c.clock()
	if req.From, err = past("--from", f.from, now, c.zone()); err != nil {
		return req, err
	}
	req.To, err = past("--to", f.to, now, c.zone())
	return req, err
}

func openInput(stdin io.Reader, path string) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(stdin), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, rules.FieldErrorf("--data", "%v; name a file of points, a CSV or line protocol", err)
	}
	return f, nil
}

// mostFile is the most bytes of a file of points.
const mostFile = 256 << 20

// bounded is a reader that fails when there is more.
type bounded struct {
	io.Reader
	left int64
}

// Read reads on.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, rules.Errorf(rules.Invalid, "the file is larger than %d MB; give a part of it", mostFile>>20)
	}
	return n, err
}

// verdicts writes a CSV while the backtest runs.
type verdicts struct {
	file *os.File
	csv  *csv.Writer
}

func newVerdicts(path string) (*verdicts, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, rules.FieldErrorf("--verdicts", "%v; name a file that can be written", err)
	}
	v := &verdicts{f, csv.NewWriter(f)}
	return v, v.csv.Write([]string{"timestamp", "series", "value", "score", "state"})
}

func (v *verdicts) write(line insight.BacktestVerdict) {
	value := ""
	if line.Value != nil {
		value = strconv.FormatFloat(*line.Value, 'g', -1, 64)
	}
	// An error stays in the writer until close asks for it.
	_ = v.csv.Write([]string{
		line.Timestamp, string(line.Series), value, strconv.FormatFloat(line.Score, 'g', 6, 64),
		line.State,
	})
}

func (v *verdicts) close() error {
	v.csv.Flush()
	if err := errors.Join(v.csv.Error(), v.file.Close()); err != nil {
		return fmt.Errorf("write the verdicts: %w", err)
	}
	return nil
}

// bar is a progress bar, on a terminal only.
type bar struct {
	page
	on    bool
	began time.Time
}

func (c *call) progress() *bar {
	return &bar{page: c.page, on: isTerminal(c.cmd.ErrOrStderr()) && !c.json, began: time.Now()}
}

const barWidth = 40

func (b *bar) show(done float64) {
	if !b.on || time.Since(b.began) < time.Second/2 {
		return
	}
	full := int(done * barWidth)
	_, _ = fmt.Fprintf(b.err, "\r[%s%s] %3.0f %%", strings.Repeat("=", full), strings.Repeat(" ", barWidth-full), done*100)
}

func (b *bar) end() {
	if b.on {
		_, _ = fmt.Fprintf(b.err, "\r%s\r", strings.Repeat(" ", barWidth+10))
	}
}

// mostEpisodes are shown to people; --json has all of them.
const mostEpisodes = 50

func (c *call) showBacktest(b insight.Backtest) {
	c.line("%s", b.Summary)
	c.line("%d ticks from %s to %s, %d series, %d values; %s episodes a week.", b.Ticks,
		b.From.In(c.zone()).Format("2006-01-02 15:04"), b.To.In(c.zone()).Format("2006-01-02 15:04"), b.Series, b.Values,
		rules.FormatNumber(b.PerWeek))
	if b.Count == 0 {
		return
	}
	var rows [][]string
	for _, e := range b.Episodes[:min(len(b.Episodes), mostEpisodes)] {
		end := "still firing"
		if e.ResolvedAt != nil {
			end = e.ResolvedAt.In(c.zone()).Format("2006-01-02 15:04:05")
		}
		peak := "-"
		if e.Peak != nil {
			peak = rules.FormatNumber(*e.Peak)
		}
		rows = append(rows, []string{
			e.StartedAt.In(c.zone()).Format("2006-01-02 15:04:05"), end, e.Lasted.String(),
			string(e.Severity), peak, string(rules.SeriesOf(e.Series)),
		})
	}
	c.line("")
	c.table([]string{"FIRED", "RESOLVED", "LASTED", "SEVERITY", "PEAK", "SERIES"}, rows)
	if more := len(b.Episodes) - mostEpisodes; more > 0 {
		c.line("and %d more; --json shows all", more)
	}
}
