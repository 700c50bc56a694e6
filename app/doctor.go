package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

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
func (a *App) Doctor(ctx context.Context) []Finding {
	out := []Finding{a.daemonFinding(), a.databaseFinding(ctx)}
	out = append(out, a.sourceFindings(ctx)...)
	out = append(out, a.channelFindings(ctx)...)
	out = append(out, a.ruleFindings(ctx)...)
	out = append(out, a.clockFindings()...)
	return append(out, unfound(out, a.Status(ctx).Problems)...)
}

// clockFindings tell how sure the daemon's clock is.
func (a *App) clockFindings() []Finding {
	if a.Clock == nil || a.Clock.Problem() != "" {
		return nil // status tells
	}
	return []Finding{{What: "clock", OK: true, Text: "right: " + a.Clock.State()}}
}

// unfound are the problems of the status that nobody found yet: what degrades
// one must show in the other.
func unfound(found []Finding, problems []string) (out []Finding) {
	for _, problem := range problems {
		what, text, ok := strings.Cut(problem, ": ")
		if !ok {
			what, text = "tocsin", problem
		}
		known := problem == NoDaemon || slices.ContainsFunc(found, func(f Finding) bool {
			own := strings.HasPrefix(what, "channel ") || strings.HasPrefix(what, "source ") || what == "database" // told at length
			return !f.OK && (f.Text == text || f.What == what && own)
		})
		if !known {
			out = append(out, Finding{What: what, Text: text})
		}
	}
	return out
}

func (a *App) daemonFinding() Finding {
	f := Finding{What: "daemon", OK: true}
	pid, running := 0, a.Engine != nil
	if a.Daemon != nil {
		pid, running = a.Daemon()
	}
	if !running {
		return Finding{What: "daemon", Text: NoDaemon}
	}
	f.Text = fmt.Sprintf("runs with pid %d on %s", pid, a.Config.DataDir)
	return f
}

func (a *App) databaseFinding(ctx context.Context) Finding {
	if err := a.Store.Check(ctx); err != nil {
		return Finding{What: "database", Text: err.Error()}
	}
	return Finding{What: "database", OK: true, Text: "answers and can be written"}
}

func (a *App) sourceFindings(ctx context.Context) (out []Finding) {
	if len(a.Sources) == 0 {
		return []Finding{{What: "sources", Text: "there is none: add your InfluxDB under sources: in " + a.configName()}}
	}
	views, err := a.CheckSources(ctx, "")
	if err != nil {
		return []Finding{{What: "sources", Text: err.Error()}}
	}
	for _, v := range views {
		f := Finding{What: "source " + v.Name, OK: v.OK, Text: fmt.Sprintf("%s answers in %s", v.Version, v.Took)}
		if h := v.Health; v.OK && h != nil && !h.OK {
			f.OK, f.Text = false, fmt.Sprintf("answers a ping and fails the rules since %s: %s", h.DownSince.In(zoneOr(a.Config)).Format("2006-01-02 15:04"), h.Error)
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
func (a *App) emptySource(ctx context.Context, name string) string {
	list, err := a.Sources[name].Measurements(ctx)
	switch {
	case err != nil:
		return err.Error()
	case len(list) == 0:
		return "answers but holds no measurement; is its database " + a.Config.Sources[name].Database + " the right one, and does anything write to it?"
	}
	return ""
}

func (a *App) configName() string {
	if a.Config.Path != "" {
		return a.Config.Path
	}
	return "the config file"
}

func (a *App) channelFindings(ctx context.Context) (out []Finding) {
	list, err := a.ListChannels(ctx)
	if err != nil {
		return []Finding{{What: "channels", Text: err.Error()}}
	}
	if len(list) == 0 {
		return []Finding{{What: "channels", Text: toldNobody}}
	}
	for _, c := range list {
		f := Finding{What: "channel " + c.Name, OK: true, Text: c.Kind + ", works"}
		switch c.Health {
		case "failing", FailingInPart:
			f = Finding{What: f.What, Text: fmt.Sprintf("%s, fails: %s; try `tocsin channels test %s`", c.Kind, TroubleOf(c), c.Name)}
		case NeedsCredential:
			f = Finding{What: f.What, Text: fmt.Sprintf("%s, needs its credential, which the key of this machine does not open; give it again with `tocsin channels add --replace %s`", c.Kind, c.Name)}
		case "untried":
			f.Text = fmt.Sprintf("%s, never used yet; try `tocsin channels test %s`", c.Kind, c.Name)
		}
		out = append(out, f)
	}
	dead, err := a.DeadLetters(ctx, "")
	if err != nil {
		return append(out, Finding{What: "dead letters", Text: err.Error()})
	}
	for _, text := range deadProblems(dead) {
		what, text, _ := strings.Cut(text, ": ")
		out = append(out, Finding{What: what, Text: text})
	}
	return append(out, a.unknownNames(list)...)
}

// unknownNames finds names in notify and operators that no channel has.
func (a *App) unknownNames(list []rules.ChannelInfo) (out []Finding) {
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
	for key, names := range a.Config.Notify {
		missing("notify."+key, names)
	}
	missing("operators", a.Config.Operators)
	for name, c := range a.Config.Channels {
		if c.Settings.Fallback != "" {
			missing("channels."+name+".fallback", []string{c.Settings.Fallback})
		}
	}
	return out
}

func (a *App) ruleFindings(ctx context.Context) (out []Finding) {
	list, total, err := a.Store.Rules(ctx, RuleFilter{})
	if err != nil {
		return []Finding{{What: "rules", Text: err.Error()}}
	}
	if total == 0 {
		return []Finding{{What: "rules", Text: "there is none; make one with `tocsin rules create`"}}
	}
	never, known := a.neverMatched(ctx), ruleNamesOf(list)
	for _, r := range list {
		problems := append(a.ruleProblems(r, never), orphaned(r, known)...)
		if s := a.Sources[r.Source]; r.Enabled && s != nil {
			if err := a.checkData(ctx, s, &r); rules.CodeOf(err) == rules.Invalid {
				problems = append(problems, each(plainly(err))...)
			}
		}
		if reach, err := a.reach(ctx, r); err == nil && len(reach) == 0 {
			problems = append(problems, "reaches nobody: there is no channel")
		}
		for _, p := range problems {
			out = append(out, Finding{What: "rule " + r.Name, Text: strings.TrimPrefix(p, "rule "+r.Name+": ")})
		}
	}
	if len(out) == 0 {
		out = append(out, Finding{What: "rules", OK: true, Text: fmt.Sprintf("%d, nothing wrong with them", total)})
	}
	return out
}

// neverMatched picks the rules for which no series ever had a value.
func (a *App) neverMatched(ctx context.Context) map[string]bool {
	out := map[string]bool{}
	ids, err := a.Store.Unmatched(ctx)
	if err != nil {
		return out // status tells what is wrong with the database
	}
	for _, id := range ids {
		out[id] = true
		a.Book.View(id, func(l *rules.Ledger) {
			if l.Matched { // not saved yet
				delete(out, id)
			}
		})
	}
	return out
}

// lost reports whether a rule that never matched has had a day to do so: a name
// in it may be misspelt.
func (a *App) lost(r rules.Rule, never map[string]bool) bool {
	return never[r.ID] && a.now().Sub(r.UpdatedAt) > 24*time.Hour
}
