package notify_test

import (
	"testing"
	"time"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// at is about an alert of a site.
func at(site, title string) rules.Notification {
	n := on("phone", title)
	n.Facts.Series = rules.SeriesOf(rules.Labels{"site": site})
	return n
}

// TestGroupsHaveMessagesOfTheirOwn, each at its own pace: the first of another group
// is not held back by one that was told a moment ago.
func TestGroupsHaveMessagesOfTheirOwn(t *testing.T) {
	o := notify.Options{Policy: policy(t, "phone", notify.Settings{GroupBy: []string{"site"}, GroupEvery: "5m"})}
	dispatchBy(t, o, nil, func(b *box, s *service) {
		b.owe(at("attic", "one"), at("cellar", "two"))
		after(time.Second)
		b.owe(at("attic", "three"), at("attic", "four"), at("barn", "five"))
		after(10 * time.Minute)
		want(t, "told", s.heard(),
			"0s phone one, attic\n0s phone two, cellar\n1s phone five, barn\n5m0s phone four, attic, and 1 more")
	})
}

// TestTheFirstOfAGroupWaits for others, and a test or tocsin's own does not.
func TestTheFirstOfAGroupWaits(t *testing.T) {
	o := notify.Options{Policy: policy(t, "phone", notify.Settings{GroupWait: "30s"})}
	dispatchBy(t, o, nil, func(b *box, s *service) {
		b.owe(on("phone", "one"))
		after(10 * time.Second)
		b.owe(on("phone", "two"))
		own := on("phone", "hello")
		own.AlertID = ""
		after(30 * time.Second)
		b.owe(own)
		after(time.Minute)
		want(t, "told", s.heard(), "30s phone one, and 1 more\n40s phone hello")
	})
}

func TestGroupingThatCannotBeIsRefused(t *testing.T) {
	for _, s := range []notify.Settings{{GroupWait: "soon"}, {GroupEvery: "2h"}} {
		if _, err := s.Policy("ntfy"); rules.CodeOf(err) != rules.Invalid {
			t.Errorf("%+v: %v", s, err)
		}
	}
}
