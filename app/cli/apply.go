package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/9bikes/tocsin/app/document"
	"github.com/9bikes/tocsin/app/ruleset"
	"github.com/9bikes/tocsin/rules"
)

// planAnswer is what `rules apply` answers.
type planAnswer struct {
	Plan     []ruleset.Step `json:"plan"`    // what was to be done, rules that need nothing too
	Applied  []ruleset.Step `json:"applied"` // what was done, with the versions the rules have now
	DryRun   bool           `json:"dry_run"`
	Warnings []string       `json:"warnings"`
}

// applyFlags say how files are to be applied.
type applyFlags struct {
	ruleset.Options
	yes, dryRun bool
}

func (d *door) rulesApply() *cobra.Command {
	var f applyFlags
	cmd := &cobra.Command{
		Use: "apply FILE...", Short: "Make the rules what files say", Args: someFiles,
		Long: `Make the rules what YAML or JSON files say: each holds a list of rules under
rules:, as ` + "`tocsin rules export`" + ` writes it. A directory stands for its *.yaml,
*.yml and *.json files, - for standard input.

The files are the whole truth about the rules in them: a key that is left out
has its default, and what another door changed is shown as drift and put back.
Everything is checked and the plan is shown before anything is done. A second
run does nothing. Rules that something else made are left alone.

On a terminal it asks before it acts; elsewhere, as in a script, giving the
command is saying yes.`,
		Example: "tocsin rules apply rules.yaml\ntocsin rules apply rules/ --prune --dry-run\ntocsin rules export | tocsin " +
			"rules apply - --adopt",
		RunE: d.with(nothing, func(ctx context.Context, c *call) error {
			docs, err := readFiles(c.cmd.InOrStdin(), c.args)
			if err != nil {
				return err
			}
			plan, err := ruleset.New(c.App).Plan(ctx, docs, f.Options)
			if err != nil {
				return err
			}
			return c.applyPlan(ctx, plan, f)
		}),
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.dryRun, "dry-run", false, "show the plan and do nothing")
	flags.BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	flags.BoolVar(&f.Prune, "prune", false, "delete the rules that an earlier apply made and that none of these files has")
	flags.BoolVar(&f.Adopt, "adopt", false, "take over rules of the same names that something else made")
	flags.BoolVar(&f.AllowUnknown, "allow-unknown", false,
		"take rules although the source does not hold such data yet, or does not answer")
	return cmd
}

func someFiles(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return rules.Errorf(rules.Invalid, "FILE is missing; for example `%s`", example(c))
	}
	return nil
}

// applyPlan shows a plan, asks, and does it.
func (c *call) applyPlan(ctx context.Context, plan ruleset.Plan, f applyFlags) error {
	a := planAnswer{Plan: plan.Steps, Applied: []ruleset.Step{}, DryRun: f.dryRun, Warnings: plan.Warnings}
	if !c.json {
		c.showPlan(plan)
	}
	refusal := plan.Refusal()
	if refusal == nil && !f.dryRun && !plan.Idle() {
		if !f.yes && !c.agreed("Apply this: "+tally(plan.Steps)+"?") {
			return c.nothingDone()
		}
		a.Applied, refusal = ruleset.New(c.App).Apply(ctx, actor(), plan)
	}
	return errors.Join(c.answer(a, a.Warnings, func() { c.showApplied(a, plan, refusal) }), refusal)
}

func (c *call) showApplied(a planAnswer, plan ruleset.Plan, refusal error) {
	switch {
	case refusal != nil && len(a.Applied) == 0:
		c.line("Nothing was done.")
	case len(a.Applied) > 0:
		c.line("Done: %s.", tally(a.Applied))
	case plan.Idle():
		c.line("Nothing to do: %s as the files say.", plural(len(plan.Steps), "rule is", "rules are"))
	case a.DryRun:
		c.line("Plan: %s. Nothing was done.", tally(plan.Steps))
	}
}

// signs begin the line of a step.
var signs = map[ruleset.StepAct]string{
	ruleset.StepCreate: "+", ruleset.StepUpdate: "~", ruleset.StepAdopt: "<", ruleset.StepDelete: "-",
	ruleset.StepConflict: "!", ruleset.StepUnchanged: "=",
}

// showPlan prints each step but those that do nothing.
func (c *call) showPlan(plan ruleset.Plan) {
	for _, s := range plan.Steps {
		if s.Act == ruleset.StepUnchanged {
			continue
		}
		r := s.Rule()
		c.line("%s %s %s: %s", signs[s.Act], s.Act, s.Name, strings.TrimPrefix(r.What()+", "+r.Condition.String(), ", "))
		if s.Act == ruleset.StepDelete {
			c.line("    made from %s, which is not among the files or does not have it any more", s.File)
		}
		c.showChanges(s.Changes)
		c.showDrift(s.Drift)
	}
}

func (c *call) showChanges(list []rules.KeyChange) {
	for _, k := range list {
		c.line("    %s: %s -> %s", k.Key, keyText(k.From), keyText(k.To))
	}
}

func (c *call) showDrift(d *ruleset.Drift) {
	if d == nil {
		return
	}
	what := ""
	for _, k := range d.Changes {
		what += fmt.Sprintf("; %s: %s -> %s", k.Key, keyText(k.From), keyText(k.To))
	}
	c.line("    drift: %s by %s (%s) %s%s", d.Act, d.By.Name, d.By.Door, ago(d.At, c.clock()), what)
}

// keyText writes the value of a key as a person would; nothing is the default.
func keyText(v json.RawMessage) string {
	var text string
	switch {
	case v == nil:
		return "(default)"
	case json.Unmarshal(v, &text) == nil:
		return text
	}
	return string(v)
}

// tally counts steps: "create 1, update 2".
func tally(steps []ruleset.Step) string {
	var parts []string
	for _, act := range []ruleset.StepAct{
		ruleset.StepCreate, ruleset.StepUpdate, ruleset.StepAdopt, ruleset.StepDelete,
		ruleset.StepConflict, ruleset.StepUnchanged,
	} {
		if n := (ruleset.Plan{Steps: steps}).Count(act); n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", act, n))
		}
	}
	return strings.Join(parts, ", ")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// readFiles reads the rules of all files, and tells of each what is wrong with
// it.
func readFiles(in io.Reader, paths []string) ([]ruleset.Doc, error) {
	files, err := ruleFiles(paths)
	if err != nil {
		return nil, err
	}
	var docs []ruleset.Doc
	var errs []error
	for _, path := range files {
		name, text, err := readFile(in, path)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		more, err := ruleset.Read(name, text)
		docs, errs = append(docs, more...), append(errs, err)
	}
	return docs, errors.Join(errs...)
}

// ruleFiles puts the files of directories in their place, by name.
func ruleFiles(paths []string) (out []string, err error) {
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil || !info.IsDir() { // reading it tells what is wrong
			out = append(out, path)
			continue
		}
		entries, err := os.ReadDir(path)
		if err != nil {
			return nil, rules.Errorf(rules.Invalid, "directory %s cannot be read: %v", path, rules.Cause(err))
		}
		before := len(out)
		for _, e := range entries {
			ours := slices.Contains([]string{".yaml", ".yml", ".json"}, strings.ToLower(filepath.Ext(e.Name())))
			if ours && !e.IsDir() && e.Name()[0] != '.' {
				out = append(out, filepath.Join(path, e.Name()))
			}
		}
		if len(out) == before {
			return nil, rules.Errorf(rules.Invalid,
				"directory %s has no *.yaml, *.yml or *.json file; directories below it are not looked into", path)
		}
	}
	return out, nil
}

const maxRules = 16 << 20

func readFile(in io.Reader, path string) (name string, text []byte, err error) {
	name = filepath.ToSlash(filepath.Clean(path))
	if path == "-" {
		name = "standard input"
	} else {
		file, err := os.Open(path)
		if err != nil {
			return "", nil, rules.Errorf(rules.Invalid,
				"%s cannot be opened: %v; give a file, a directory, or - for standard input", path, rules.Cause(err))
		}
		defer func() { _ = file.Close() }()
		in = file
	}
	text, err = io.ReadAll(io.LimitReader(in, maxRules+1))
	switch {
	case err != nil:
		return "", nil, fmt.Errorf("read %s: %w", name, err)
	case len(text) > maxRules:
		return "", nil, rules.Errorf(rules.Invalid, "%s is larger than 16 MB; is it the right file?", name)
	}
	return name, text, nil
}

// exportAnswer is what `rules export --json` answers, and what `rules apply`
// takes.
type exportAnswer struct {
	Rules []ruleset.Code `json:"rules"`
}

// writtenAnswer is what `rules export --file` answers.
type writtenAnswer struct {
	File     string   `json:"file"`
	Total    int      `json:"total"`
	Warnings []string `json:"warnings"`
}

func (d *door) rulesExport() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "export [NAME...]", Short: "Write rules as the file that would apply them", Args: cobra.ArbitraryArgs,
		Long: `Write rules, all or those that are named, as YAML or with --json as JSON: every
key that differs from its default, and no ids, versions or times, so that the
file lives well under version control. No rule holds a secret.`,
		Example: "tocsin rules export\ntocsin rules export freezer --file rules/freezer.yaml\ntocsin rules export --json",
		RunE: d.with(nothing, func(ctx context.Context, c *call) error {
			list, err := ruleset.New(c.App).Export(ctx, c.args)
			if err != nil {
				return err
			}
			asJSON := c.json || strings.EqualFold(filepath.Ext(file), ".json")
			if file == "" || file == "-" {
				return writeRules(c.out, list, asJSON)
			}
			return c.exportTo(file, list, asJSON)
		}),
	}
	cmd.Flags().StringVar(&file, "file", "", "write to this file; *.json is written as JSON")
	return cmd
}

func (c *call) exportTo(file string, list []ruleset.Code, asJSON bool) error {
	var text strings.Builder
	if err := writeRules(&text, list, asJSON); err != nil {
		return err
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
		return rules.FieldErrorf("--file", "%s cannot be written: %v", file, rules.Cause(err))
	}
	a := writtenAnswer{file, len(list), c.Warnings()}
	return c.answer(a, nil, func() { c.line("Wrote %s to %s.", plural(len(list), "rule", "rules"), file) })
}

func writeRules(w io.Writer, list []ruleset.Code, asJSON bool) error {
	a := exportAnswer{list}
	if asJSON {
		if err := encoder(w).Encode(a); err != nil {
			return fmt.Errorf("write the rules: %w", err)
		}
		return nil
	}
	object, err := json.Marshal(a)
	text := ""
	if err == nil {
		text, err = document.FromJSON(object)
	}
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	if err != nil {
		return fmt.Errorf("write the rules: %w", err)
	}
	return nil
}
