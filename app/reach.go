package app

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// farKinds are services that are elsewhere, so that nothing reaches them while
// the house is offline; perhapsFar are those that some run at home.
var (
	farKinds = []string{
		"telegram", "slack", "discord", "teams", "pushover", "pushbullet", "googlechat", "ifttt", "join", "opsgenie", "bark",
	}
	perhapsFar = []string{"ntfy", "smtp", "matrix", "zulip"}
)

// onlineWords are parts of names that mean the way to the internet.
var onlineWords = []string{"internet", "wan", "uplink", "isp", "online"}

// selfDependent warns of a rule that watches the internet and tells only over
// the internet: what it waits for keeps its message from leaving.
func (a *App) selfDependent(ctx context.Context, r rules.Rule) []string {
	words := strings.FieldsFunc(strings.ToLower(strings.Join([]string{r.Name, r.Title, r.Measurement}, " ")),
		func(c rune) bool { return c == ' ' || c == '_' || c == '-' || c == '.' })
	if !slices.ContainsFunc(words, func(w string) bool { return slices.Contains(onlineWords, w) }) {
		return nil
	}
	reach, err := a.Reach(ctx, r)
	list, listErr := a.listChannels(ctx)
	if err != nil || listErr != nil || len(reach) == 0 {
		return nil
	}
	unless := ""
	for _, c := range list {
		switch {
		case !slices.Contains(reach, c.Name), slices.Contains(farKinds, c.Kind):
		case slices.Contains(perhapsFar, c.Kind):
			unless = ", unless its server is in your house"
		default:
			return nil // something that works without
		}
	}
	return []string{fmt.Sprintf("this seems to watch the connection that its only way to tell needs (%s)%s: while it is "+
		"broken nobody hears of it, and all is told when it is back; add a channel that works in the house, and a "+
		"heartbeat that somebody outside misses", strings.Join(reach, ", "), unless)}
}

// settings are those of all channels, by name.
func (a *App) settings(ctx context.Context) map[string]notify.Settings {
	out := map[string]notify.Settings{}
	stored, err := a.Store.Channels(ctx)
	if err != nil {
		return out // status tells what is wrong with the database
	}
	for _, c := range stored {
		out[c.Name] = c.Settings
	}
	for name, c := range a.Config.Channels {
		out[name] = c.Settings
	}
	return out
}

// advice is what keeps people from being told some day, though nothing is
// broken: channels that were never tried, and critical rules that wait for the
// morning.
func (a *App) advice(ctx context.Context, list []rules.Rule, channels []rules.ChannelInfo) []string {
	out, used, settings := []string{}, map[string]bool{}, a.settings(ctx)
	names := a.knownChannels(ctx)
	for _, r := range list {
		if !r.Enabled {
			continue
		}
		reach := a.viewAmong(r, names).Tells
		for _, name := range reach {
			used[name] = true
		}
		if text := mutedByNight(r, reach, settings); text != "" {
			out = append(out, text)
		}
	}
	var untried []string
	for _, c := range channels {
		if c.Health == "untried" && used[c.Name] {
			untried = append(untried, fmt.Sprintf("channel %s: rules tell people by it, and nobody ever tried whether that "+
				"works; `tocsin channels test %s`", c.Name, c.Name))
		}
	}
	return append(out, untried...)
}

// mutedByNight says that all channels of a critical rule have quiet hours which
// hold critical messages back; "" when one lets them through.
func mutedByNight(r rules.Rule, reach []string, settings map[string]notify.Settings) string {
	critical := r.Severity == rules.Critical
	for _, level := range r.Levels {
		critical = critical || level.Severity == rules.Critical
		reach = append(slices.Clone(reach), level.Channels...)
	}
	if !critical || len(reach) == 0 {
		return ""
	}
	for _, name := range reach {
		if q := settings[name].Quiet; q == nil || slices.Contains(q.Except, rules.Critical) {
			return ""
		}
	}
	return fmt.Sprintf("rule %s: is critical and reaches nobody in the quiet hours of %s (%s); let critical messages "+
		"through: `tocsin channels set %s --quiet-except critical`", r.Name, strings.Join(reach, ", "),
		settings[reach[0]].Quiet, reach[0])
}
