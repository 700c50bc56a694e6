package insight

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/evaluator/lookup"
	"github.com/9bikes/tocsin/rules"
)

// Finding is one thing that the doctor looked at.
type Finding struct {
	What string `json:"what"` // daemon, database, source home, channel phone, rule freezer
	OK   bool   `json:"ok"`
	Text string `json:"text"` // how it is; with the cure when it is not well
}

// Doctor looks at everything that could keep people from being told, and says
// how it is and what would mend it.
func (a *Analyst) Doctor(ctx context.Context) []Finding {
	out := []Finding{a.daemonFinding(), a.databaseFinding(ctx)}
	out = append(out, a.sourceFindings(ctx)...)
	out = append(out, a.channelFindings(ctx)...)
	out = append(out, a.ruleFindings(ctx)...)
	out = append(out, a.clockFindings()...)
	return append(out, unfound(out, a.app.Status(ctx).Problems)...)
}

// clockFindings tell how sure the daemon's clock is.
func (a *Analyst) clockFindings() []Finding {
	state := a.app.Clock.State()
	if state == "" || a.app.Clock.Problem() != "" {
		return nil // status tells
	}
	return []Finding{{What: "clock", OK: true, Text: "right: " + state}}
}

// unfound are the problems of the status that nobody found yet: what degrades
// one must show in the other.
func unfound(found []Finding, problems []string) (out []Finding) {
	for _, problem := range problems {
		what, text, ok := strings.Cut(problem, ": ")
		if !ok {
			what, text = "tocsin", problem
		}
		known := problem == app.NoDaemon || slices.ContainsFunc(found, func(f Finding) bool {
			// told at length
			own := strings.HasPrefix(what, "channel ") || strings.HasPrefix(what, "source ") || what == "database"
			return !f.OK && (f.Text == text || f.What == what && own)
		})
		if !known {
			out = append(out, Finding{What: what, Text: text})
		}
	}
	return out
}

func (a *Analyst) daemonFinding() Finding {
	d := a.app.DaemonView()
	if !d.Running {
		return Finding{What: "daemon", Text: app.NoDaemon}
	}
	return Finding{What: "daemon", OK: true, Text: fmt.Sprintf("runs with pid %d on %s", d.PID, a.app.Config.DataDir)}
}

func (a *Analyst) databaseFinding(ctx context.Context) Finding {
	if err := a.app.Store.Check(ctx); err != nil {
		return Finding{What: "database", Text: err.Error()}
	}
	return Finding{What: "database", OK: true, Text: "answers and can be written"}
}

func (a *Analyst) sourceFindings(ctx context.Context) (out []Finding) {
	if len(a.app.Sources) == 0 {
		return []Finding{{What: "sources", Text: "there is none: add your InfluxDB under sources: in " + a.configName()}}
	}
	views, err := a.app.CheckSources(ctx, "")
	if err != nil {
		return []Finding{{What: "sources", Text: err.Error()}}
	}
	for _, v := range views {
		f := Finding{What: "source " + v.Name, OK: v.OK, Text: fmt.Sprintf("%s answers in %s", v.Version, v.Took)}
		if h := v.Health; v.OK && h != nil && !h.OK {
			f.OK, f.Text = false, fmt.Sprintf("answers the check and fails the rules since %s: %s",
				h.DownSince.In(a.app.Config.Location()).Format("2006-01-02 15:04"), h.Error)
		} else if !v.OK {
			f.Text = v.Error
		} else if text := a.emptySource(ctx, v.Name); text != "" {
			f.OK, f.Text = false, text
		}
		out = append(out, f)
	}
	return out
}

// emptySource finds the mistake that looks like success: a database name that
// holds nothing.
func (a *Analyst) emptySource(ctx context.Context, name string) string {
	list, err := a.app.Sources[name].Measurements(ctx)
	switch {
	case err != nil:
		return err.Error()
	case len(list) == 0:
		return "can be read and its database " + a.app.Config.Sources[name].Database +
			" holds no measurement: does anything write to it, or is another database meant?"
	}
	return ""
}

func (a *Analyst) configName() string {
	if a.app.Config.Path != "" {
		return a.app.Config.Path
	}
	return "the config file"
}

func (a *Analyst) channelFindings(ctx context.Context) (out []Finding) {
	list, err := a.app.ListChannels(ctx)
	if err != nil {
		return []Finding{{What: "channels", Text: err.Error()}}
	}
	if len(list) == 0 {
		return []Finding{{What: "channels", Text: app.ToldNobody}}
	}
	for _, c := range list {
		f := Finding{What: "channel " + c.Name, OK: true, Text: c.Kind + ", works"}
		switch c.Health {
		case "failing", app.FailingInPart:
			f = Finding{
				What: f.What,
				Text: fmt.Sprintf("%s, fails: %s; try `tocsin channels test %s`", c.Kind, app.TroubleOf(c), c.Name),
			}
		case app.NeedsCredential:
			f = Finding{
				What: f.What,
				Text: fmt.Sprintf("%s, needs its credential, which the key of this machine does not open; give it again with "+
					"`tocsin channels add --replace %s`", c.Kind, c.Name),
			}
		case "untried":
			f.Text = fmt.Sprintf("%s, never used yet; try `tocsin channels test %s`", c.Kind, c.Name)
		}
		out = append(out, f)
	}
	dead, err := a.app.DeadLetters(ctx, "")
	if err != nil {
		return append(out, Finding{What: "dead letters", Text: err.Error()})
	}
	for _, text := range app.DeadProblems(dead) {
		what, text, _ := strings.Cut(text, ": ")
		out = append(out, Finding{What: what, Text: text})
	}
	return append(out, a.unknownNames(list)...)
}

// unknownNames finds names in notify and operators that no channel has.
func (a *Analyst) unknownNames(list []rules.ChannelInfo) (out []Finding) {
	known := map[string]bool{}
	for _, c := range list {
		known[c.Name] = true
	}
	missing := func(key string, names []string) {
		for _, name := range names {
			if !known[name] {
				out = append(out, Finding{What: key, Text: fmt.Sprintf("names channel %q, which does not exist", name)})
			}
		}
	}
	for key, names := range a.app.Config.Notify {
		missing("notify."+key, names)
	}
	missing("operators", a.app.Config.Operators)
	for name, c := range a.app.Config.Channels {
		if c.Settings.Fallback != "" {
			missing("channels."+name+".fallback", []string{c.Settings.Fallback})
		}
	}
	return out
}

func (a *Analyst) ruleFindings(ctx context.Context) (out []Finding) {
	list, err := a.app.DiagnoseRules(ctx)
	if err != nil {
		return []Finding{{What: "rules", Text: err.Error()}}
	}
	if len(list) == 0 {
		return []Finding{{What: "rules", Text: "there is none; make one with `tocsin rules create`"}}
	}
	for _, d := range list {
		r, problems := d.Rule, slices.Concat(d.Faults, d.Refused, d.Orphaned)
		if s := a.app.Sources[r.Source]; r.Enabled && s != nil {
			err := lookup.Names{Source: s}.Check(ctx, &r)
			if err == nil {
				problems = append(problems, lookup.SparseWarning(ctx, s, r, a.app.Time())...)
				if mixed := (lookup.Names{Source: s}).Mixed(ctx, &r); mixed != "" {
					problems = append(problems, mixed)
				}
			}
			if rules.CodeOf(err) == rules.Invalid {
				for _, wrong := range rules.Joined(err) {
					problems = append(problems, wrong.Error())
				}
			}
		}
		if reach, err := a.app.Reach(ctx, r); err == nil && len(reach) == 0 {
			problems = append(problems, "reaches nobody: there is no channel")
		}
		for _, p := range problems {
			out = append(out, Finding{What: "rule " + r.Name, Text: strings.TrimPrefix(p, "rule "+r.Name+": ")})
		}
	}
	if len(out) == 0 {
		out = append(out, Finding{What: "rules", OK: true, Text: fmt.Sprintf("%d, nothing wrong with them", len(list))})
	}
	return out
}
