package mcp

import (
	"github.com/9bikes/tocsin/app/insight"
)

// shownOutlook is what a rule makes of the present. Lists are lines of text:
// they are read, not reckoned with.
type shownOutlook struct {
	Series  int      `json:"series"`
	Wrong   int      `json:"wrong"`
	Values  []string `json:"values"`
	Silent  []string `json:"silent,omitempty"`
	Also    []string `json:"also_watched_by,omitempty"`
	Message string   `json:"message" jsonschema:"a first message as the phone would show it"`
}

// standingShown is how many series an outlook shows.
const standingShown = 8

func (s *Server) outlook(o insight.Outlook) *shownOutlook {
	out := &shownOutlook{
		Series: o.Series, Values: []string{}, Also: cleanedAll(o.Also),
		Message: cleaned(o.Sample.Title+" | "+o.Sample.Text, noteSize),
	}
	for i, v := range o.Now {
		if v.Wrong {
			out.Wrong++
		}
		if i < standingShown {
			out.Values = append(out.Values, cleaned(insight.NowLine(v), dataSize))
		}
	}
	for _, v := range o.Silent[:min(len(o.Silent), standingShown)] {
		out.Silent = append(out.Silent, cleaned(insight.SeriesName(v.Series), dataSize)+" since "+s.when(*v.Seen))
	}
	return out
}
