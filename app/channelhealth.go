package app

import (
	"slices"
	"strings"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// FailingInPart is the health of a channel that some of its targets refuse.
const FailingInPart = "failing in part"

// fares fills in how a channel does: well, when all of its targets do. A target
// that it has no more does not count, as far as this process knows its targets.
func (a *App) fares(c *rules.ChannelInfo, all map[rules.Address]Health) {
	targets := a.Targets(c.Name)
	named, failedAt := 0, time.Time{}
	for to, h := range all {
		if to.Channel != c.Name || to.Target != "" && targets != nil && !slices.Contains(targets, to.Target) {
			continue
		}
		if to.Target != "" {
			named++
		}
		c.LastSuccess = rules.Later(c.LastSuccess, h.LastSuccess)
		if !h.LastFailure.After(lastSuccess(to, all)) {
			continue
		}
		c.Failing = append(c.Failing, to.Target)
		if h.LastFailure.After(failedAt) {
			failedAt, c.LastError = h.LastFailure, h.Error
		}
	}
	slices.Sort(c.Failing)
	whole := slices.Contains(c.Failing, "")
	switch {
	case c.Health != "":
	case len(c.Failing) == 0 && c.LastSuccess.IsZero():
		c.Health = "untried"
	case len(c.Failing) == 0:
		c.Health = "ok"
	case whole || len(c.Failing) == max(named, len(targets)):
		c.Health = "failing"
	default:
		c.Health = FailingInPart
	}
	if whole {
		c.Failing = nil
	}
}

// lastSuccess is when something arrived at an address last. What went to a
// channel when it had one target went to all of it.
func lastSuccess(to rules.Address, all map[rules.Address]Health) (at time.Time) {
	for other, h := range all {
		if other.Meets(to) {
			at = rules.Later(at, h.LastSuccess)
		}
	}
	return at
}

// TroubleOf says what a channel fails of, and for whom where not for all.
func TroubleOf(c rules.ChannelInfo) string {
	if len(c.Failing) == 0 {
		return c.LastError
	}
	return c.LastError + " for " + strings.Join(c.Failing, ", ")
}
