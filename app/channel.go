package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// NeedsCredential is the health of a channel whose credential this machine's
// key does not open: its database came from a backup without the key.
const NeedsCredential = "needs its credential"

// ListChannels lists what may be seen of the channels, those of the config and
// the stored ones.
func (a *App) ListChannels(ctx context.Context) ([]rules.ChannelInfo, error) {
	out, err := a.listChannels(ctx)
	if err != nil {
		return nil, err
	}
	dead, err := a.DeadLetters(ctx, "")
	if err != nil {
		return nil, err
	}
	countDead(out, dead)
	return out, nil
}

// countDead notes how many dead letters each channel has.
func countDead(list []rules.ChannelInfo, dead []DeadLetter) {
	for i := range list {
		for _, d := range dead {
			if d.Channel == list[i].Name {
				list[i].DeadLetters++
			}
		}
	}
}

// listChannels is ListChannels without the dead letters.
func (a *App) listChannels(ctx context.Context) ([]rules.ChannelInfo, error) {
	stored, err := a.Store.Channels(ctx)
	if err != nil {
		return nil, err
	}
	health, err := a.Store.ChannelHealth(ctx)
	if err != nil {
		return nil, err
	}
	out := []rules.ChannelInfo{}
	for name, c := range a.Config.Channels {
		out = append(out, a.describe(rules.ChannelInfo{Name: name, Kind: c.Kind, Origin: "config"}, c.Settings))
	}
	for _, c := range stored {
		if _, twice := a.Config.Channels[c.Name]; !twice {
			info := a.describe(rules.ChannelInfo{Name: c.Name, Kind: c.Kind, Origin: "stored"}, c.Settings)
			if !a.Opens(c) {
				info.Health = NeedsCredential
			}
			out = append(out, info)
		}
	}
	for i := range out {
		a.fares(&out[i], health)
	}
	slices.SortFunc(out, func(x, y rules.ChannelInfo) int { return strings.Compare(x.Name, y.Name) })
	return out, nil
}

// describe adds how a channel is used.
func (a *App) describe(info rules.ChannelInfo, s notify.Settings) rules.ChannelInfo {
	info.Fallback, info.Rate, info.Timeout = s.Fallback, s.Rate, s.Timeout
	if s.Quiet != nil {
		info.Quiet, info.QuietNow = s.Quiet.String(), s.Quiet.Covers(a.Time())
	}
	return info
}

func (a *App) channelNames(ctx context.Context) ([]string, error) {
	list, err := a.listChannels(ctx)
	names := make([]string, 0, len(list))
	for _, c := range list {
		names = append(names, c.Name)
	}
	return names, err
}

// checkChannels refuses names that no channel has.
func (a *App) checkChannels(ctx context.Context, r rules.Rule) error {
	known, err := a.channelNames(ctx)
	if err != nil {
		return err
	}
	wanted := map[string][]string{"channels": r.Channels}
	if r.Escalate != nil {
		wanted["escalate.channels"] = r.Escalate.Channels
	}
	for i, l := range r.Levels {
		wanted[fmt.Sprintf("levels[%d].channels", i)] = l.Channels
	}
	var errs []error
	for field, names := range wanted {
		for _, name := range names {
			if !slices.Contains(known, name) {
				errs = append(errs, noChannel(field, name, known))
			}
		}
	}
	return errors.Join(errs...)
}

func noChannel(field, name string, known []string) error {
	if len(known) == 0 {
		return rules.WithHint(rules.FieldErrorf(field, "no channel %q; there is none yet", name), rules.AddChannel, name)
	}
	return rules.FieldErrorf(field, "no channel %q; known: %s", name, strings.Join(known, ", "))
}

// Reach names the channels that a rule's first message goes to.
func (a *App) Reach(ctx context.Context, r rules.Rule) ([]string, error) {
	if len(r.Channels) > 0 {
		return r.Channels, nil
	}
	known, err := a.channelNames(ctx)
	return a.Config.Route(r.Severity, known), err
}

// KnownChannels are the names of all channels; of a database that does not
// answer none, which other parts of an answer tell.
func (a *App) knownChannels(ctx context.Context) []string {
	names := slices.Collect(maps.Keys(a.Config.Channels))
	stored, err := a.Store.Channels(ctx)
	if err != nil {
		return names
	}
	for _, c := range stored {
		names = append(names, c.Name)
	}
	return slices.Compact(slices.Sorted(slices.Values(names)))
}

var validName = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,62}$`)

// ValidName reports whether a channel, a source or a token may be called this.
func ValidName(text string) bool { return validName.MatchString(text) }

// AddChannel stores a channel with its URL sealed. It needs the key.
func (a *App) AddChannel(ctx context.Context, by rules.Actor, name string, url rules.Secret,
	s notify.Settings,
) (rules.ChannelInfo, error) {
	kind, err := a.checkCredential(name, url)
	if err != nil {
		return rules.ChannelInfo{}, err
	}
	if err := a.checkSettings(ctx, name, kind, s); err != nil {
		return rules.ChannelInfo{}, err
	}
	if known, err := a.channelNames(ctx); err != nil || slices.Contains(known, name) {
		return rules.ChannelInfo{}, cmp.Or(err,
			rules.WithHint(rules.Errorf(rules.Conflict, "a channel named %q exists already; choose another name", name),
				rules.ReplaceCredential, name))
	}
	c := StoredChannel{ID: NewID("c"), Name: name, Kind: kind, Settings: s, By: by, CreatedAt: a.Time()}
	if c.Sealed, err = a.Seal(c.ID, kind, url); err != nil {
		return rules.ChannelInfo{}, err
	}
	return rules.ChannelInfo{Name: name, Kind: kind, Origin: "stored", Health: "untried"}, a.Store.PutChannel(ctx, c)
}

// checkCredential returns the kind of a channel that may be stored.
func (a *App) checkCredential(name string, url rules.Secret) (kind string, err error) {
	if a.Seal == nil || a.Sender == nil {
		return "", rules.WithHint(rules.Errorf(rules.Forbidden, "this door holds no channel credentials"), rules.AddAtDaemon,
			name)
	}
	if !ValidName(name) {
		return "", rules.FieldErrorf("name",
			"must be small letters, digits, _ . and -, at most 63; got %q; for example phone", name)
	}
	if _, twice := a.Config.Channels[name]; twice {
		return "", rules.Errorf(rules.Conflict, "channel %q is in the config file; change it there, or choose another name",
			name)
	}
	return a.Sender.Check(url)
}

// ReplaceCredential gives a stored channel another URL, be it of another
// service. Its settings stay.
func (a *App) ReplaceCredential(ctx context.Context, by rules.Actor, name string, url rules.Secret) (rules.ChannelInfo,
	error,
) {
	kind, err := a.checkCredential(name, url)
	if err != nil {
		return rules.ChannelInfo{}, err
	}
	list, err := a.Store.Channels(ctx)
	if err != nil {
		return rules.ChannelInfo{}, err
	}
	i := slices.IndexFunc(list, func(c StoredChannel) bool { return c.Name == name })
	if i < 0 {
		return rules.ChannelInfo{}, a.KnownChannel(ctx, name)
	}
	c := list[i]
	c.Settings.Moved = nil // that was the other one's
	if err := a.checkSettings(ctx, name, kind, c.Settings); err != nil {
		return rules.ChannelInfo{}, err
	}
	c.Kind, c.By = kind, by
	if c.Sealed, err = a.Seal(c.ID, kind, url); err != nil {
		return rules.ChannelInfo{}, err
	}
	return rules.ChannelInfo{Name: name, Kind: kind, Origin: "stored", Health: "untried"}, a.Store.PutChannel(ctx, c)
}

// ChangeChannel gives a stored channel other settings. Its credential stays.
func (a *App) ChangeChannel(ctx context.Context, name string, change func(*notify.Settings) error) error {
	if _, fixed := a.Config.Channels[name]; fixed {
		return rules.Errorf(rules.Conflict, "channel %q is in the config file; change it there", name)
	}
	list, err := a.Store.Channels(ctx)
	if err != nil {
		return err
	}
	for _, c := range list {
		if c.Name != name {
			continue
		}
		if err := change(&c.Settings); err != nil {
			return err
		}
		if err := a.checkSettings(ctx, name, c.Kind, c.Settings); err != nil {
			return err
		}
		return a.Store.PutChannel(ctx, c)
	}
	return a.KnownChannel(ctx, name)
}

func (a *App) checkSettings(ctx context.Context, name, kind string, s notify.Settings) error {
	a.Config.FillZone(s)
	if _, err := s.Policy(kind); err != nil {
		return err
	}
	if s.Fallback == name {
		return rules.FieldErrorf("fallback", "is the channel itself; name another one, such as mail")
	}
	known, err := a.channelNames(ctx)
	if err == nil && s.Fallback != "" && !slices.Contains(known, s.Fallback) {
		err = noChannel("fallback", s.Fallback, known)
	}
	return err
}

// KeepMove keeps what the service of a channel calls a target from now on; false
// where the channel stands in the config, which a person writes.
func (a *App) KeepMove(ctx context.Context, channel string, m rules.Move) (kept bool) {
	return a.ChangeChannel(ctx, channel, func(s *notify.Settings) error {
		moved := maps.Clone(s.Moved)
		if moved == nil {
			moved = map[string]string{}
		}
		moved[m.From] = m.To
		s.Moved = moved
		return nil
	}) == nil
}

// RemoveChannel deletes a stored channel.
func (a *App) RemoveChannel(ctx context.Context, name string) error {
	if _, fixed := a.Config.Channels[name]; fixed {
		return rules.Errorf(rules.Conflict, "channel %q is in the config file; remove it there", name)
	}
	return a.Store.DeleteChannel(ctx, name)
}
