package cli

import (
	"context"
	"errors"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/9bikes/tocsin/app/ruleset"
)

// testedAnswer is what `rules test` answers.
type testedAnswer struct {
	Tests    []ruleset.TestResult `json:"tests"`
	Passed   int                  `json:"passed"`
	Failed   int                  `json:"failed"`
	Warnings []string             `json:"warnings"`
}

func (d *door) rulesTest() *cobra.Command {
	return &cobra.Command{
		Use: "test FILE...", Short: "Test rules on made-up series with a virtual clock", Args: someFiles,
		Long: `Test rules on made-up series, through the same state machine as live and with a
virtual clock. Neither the daemon nor a source is needed. A file holds:

    rule_files: [freezer.yaml]     # the rules under test, beside this file
    tests:
    - name: door left open
      interval: 1m                 # between the values, the first at the start
      series:
      - {series: "temperature,sensor=a", field: celsius, values: "-18x9 -5x20"}
      expect:
      - {rule: freezer, at: 9m, firing: []}
      - {rule: freezer, at: 15m, pending: [{sensor: a}]}
      - {rule: freezer, at: 25m, firing: [{sensor: a}], severity: high}

A series is a measurement with its tags, as line protocol has them. Values are
numbers: 5x3 is 5 and three more of it, 5+1x3 counts up (5 6 7 8), 5-1x3 counts
down, _ is no value and _x3 three times none. firing and pending list exactly
the label sets that do, [] for none and [{}] for a rule without group_by. Rules
may stand in the file itself under rules:. start: sets the clock (a Monday
without it) and every: the base interval (30s). What depends on other rules,
silences and messages is not played.`,
		Example: "tocsin rules test freezer.test.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			c := &call{page: d.page(cmd), cmd: cmd, args: args}
			answer, err := c.playTests(cmd.Context(), d.program.ReadData)
			if err != nil {
				return err
			}
			if err := c.answer(answer, nil, func() { c.showTests(answer) }); err != nil {
				return err
			}
			if answer.Failed > 0 {
				return silent{}
			}
			return nil
		},
	}
}

// playTests plays the tests of all files.
func (c *call) playTests(ctx context.Context, read ruleset.ReadPoints) (testedAnswer, error) {
	files, err := ruleFiles(c.args)
	if err != nil {
		return testedAnswer{}, err
	}
	a, errs := testedAnswer{Tests: []ruleset.TestResult{}, Warnings: []string{}}, []error(nil)
	for _, path := range files {
		results, err := c.playFile(ctx, path, read)
		a.Tests, errs = append(a.Tests, results...), append(errs, err)
	}
	for _, t := range a.Tests {
		if t.Passed {
			a.Passed++
		} else {
			a.Failed++
		}
	}
	return a, errors.Join(errs...)
}

func (c *call) playFile(ctx context.Context, path string, read ruleset.ReadPoints) ([]ruleset.TestResult, error) {
	in := c.cmd.InOrStdin()
	name, text, err := readFile(in, path)
	if err != nil {
		return nil, err
	}
	tests, err := ruleset.ReadTests(name, text)
	if err != nil {
		return nil, err
	}
	docs, err := readFiles(io.LimitReader(in, 0), besideOf(path, tests.RuleFiles))
	if err != nil {
		return nil, err
	}
	return tests.Play(ctx, append(docs, tests.Rules...), read)
}

// besideOf finds files that another one names.
func besideOf(path string, names []string) []string {
	out := make([]string, 0, len(names))
	for _, name := range names {
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(path), name)
		}
		out = append(out, name)
	}
	return out
}

func (c *call) showTests(a testedAnswer) {
	for _, t := range a.Tests {
		word := "ok    "
		if !t.Passed {
			word = "FAILED"
		}
		c.line("%s %s: %s", word, t.File, t.Name)
		for _, f := range t.Failures {
			c.line("    %s", f)
		}
	}
	if a.Failed > 0 {
		c.line("%d of %s failed.", a.Failed, plural(len(a.Tests), "test", "tests"))
	} else {
		c.line("%s passed.", plural(a.Passed, "test", "tests"))
	}
}
