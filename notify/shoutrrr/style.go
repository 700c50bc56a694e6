package shoutrrr

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// colour is the message's colour as 0xRRGGBB: the severity's for an alarm,
// green when it is over, grey for tocsin's own.
func colour(m notify.Message) int {
	switch {
	case m.Tone == notify.Relief:
		return 0x2E9E5B
	case m.Tone != notify.Alarm:
		return 0x6B7280
	}
	switch m.Severity {
	case rules.Critical:
		return 0xC1121F
	case rules.High:
		return 0xE8590C
	case rules.Low:
		return 0x3B82F6
	}
	return 0xF2A900
}

func hexColour(m notify.Message) string { return fmt.Sprintf("#%06X", colour(m)) }

// icon says at a glance, where there is no colour, what the message brings.
func icon(m notify.Message) string {
	switch {
	case m.Tone == notify.Relief:
		return "✅"
	case m.Tone != notify.Alarm:
		return "🔔"
	}
	switch m.Severity {
	case rules.Critical:
		return "🚨"
	case rules.High:
		return "🔴"
	case rules.Low:
		return "🔵"
	}
	return "🟠"
}

// urgency ranks the message from 0, tocsin's own and what is over, over 1 for
// low up to 4 for critical.
func urgency(m notify.Message) int {
	if m.Tone != notify.Alarm {
		return 0
	}
	if rank := m.Severity.Rank(); rank >= 0 {
		return rank + 1
	}
	return 2
}

// quiet reports whether a message may wait until people look: what is low, and
// what is over.
func quiet(m notify.Message) bool { return m.Tone == notify.Relief || urgency(m) == 1 }

// preview is what a phone shows where it shows nothing of a card: the title, and
// the first line of the text.
func preview(m notify.Message) string {
	first, _, _ := strings.Cut(m.Text, "\n")
	return joinFilled("\n", icon(m)+" "+m.Title+m.Place, first)
}

// pressable are the actions of a message that a service can make buttons of, which
// it refuses for hosts that have no dot and for long addresses. What they are not
// is left for the text.
func pressable(actions []notify.Action) (buttons, rest []notify.Action) {
	for _, a := range actions {
		u, err := url.Parse(a.URL)
		if err != nil || !strings.Contains(u.Hostname(), ".") || len(a.URL) > 512 {
			return nil, actions
		}
	}
	return actions, nil
}

// episode is what a message is about, where that is one alert, or else the message
// itself.
func episode(m notify.Message) string {
	if len(m.Threads) == 1 {
		return m.Threads[0]
	}
	return m.ID
}

// titled returns m with its icon before the title.
func titled(m notify.Message) notify.Message {
	m.Title = icon(m) + " " + m.Title
	return m
}
