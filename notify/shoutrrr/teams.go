package shoutrrr

import (
	"bytes"
	"strings"

	"github.com/9bikes/tocsin/notify"
)

// teamsWorkflow is a workflow that posts what a webhook gets.
type teamsWorkflow struct{ url string }

var errTeamsRetired = wrong("is for Teams' connectors, which Microsoft has retired; " +
	"make a workflow in Teams (\"Send webhook alerts to a channel\")" +
	" and paste its https://….logic.azure.com or …api.powerplatform.com address")

// parseTeams refuses shoutrrr's form, which knows the retired connectors only.
func parseTeams(address) (service, error) { return nil, errTeamsRetired }

func hookTeams(a address) (service, error) {
	if strings.Trim(a.Path, "/") == "" {
		return nil, wrong("must be the whole address of a Teams workflow, from https:// to the end of sig=…")
	}
	return teamsWorkflow{url: a.hook().String()}, nil
}

// cardLimit is what Teams takes as one message, 28 KB, less the envelope.
const cardLimit = 24 << 10

// cardLines is how many lines of text a card shows at most.
const cardLines = 60

func (t teamsWorkflow) render(m notify.Message) []delivery {
	card := map[string]any{
		"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
		"body": cardBody(tame(m)), "msteams": map[string]any{"width": "Full"},
	}
	if buttons := cardButtons(m); buttons != nil {
		card["actions"] = buttons
	}
	content := map[string]any{
		"type": "message", "summary": fitRunes(preview(tame(m)), 300), "attachments": []any{map[string]any{
			"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": nil, "content": card,
		}},
	}
	return []delivery{post{url: t.url, body: asJSON(content), failure: notHTML, hook: true}}
}

func cardButtons(m notify.Message) (buttons []any) {
	for _, a := range m.Actions {
		buttons = append(buttons, map[string]any{"type": "Action.OpenUrl", "title": a.Label, "url": a.URL})
	}
	if m.Link != "" {
		buttons = append(buttons, map[string]any{"type": "Action.OpenUrl", "title": "Runbook", "url": m.Link})
	}
	return buttons
}

// cardBody says everything in RichTextBlocks: a TextRun, unlike a TextBlock,
// reads neither Markdown nor functions in its text.
func cardBody(m notify.Message) []any {
	room := cardLimit - 1000 // for the title
	cut := func(s string, limit int) string {
		s = fit(s, max(0, min(limit, room)), inJSON, asIs)
		room -= inJSON(s) + 200 // for the block around it
		return s
	}
	title := map[string]any{
		"type": "TextRun", "text": heading(titled(m), 500, inJSON, asIs), "weight": "Bolder", "size": "Large",
	}
	blocks := []any{map[string]any{
		"type": "Container", "style": cardStyle(m), "bleed": true, "items": []any{richText(title)},
	}}
	for _, line := range strings.SplitN(m.Text, "\n", cardLines) {
		if line = strings.TrimSpace(line); line != "" && room > 8<<10 {
			blocks = append(blocks, richText(map[string]any{"type": "TextRun", "text": cut(line, 4000)}))
		}
	}
	for _, f := range first(only(m.Fields, unfiled), 20) {
		if room < 1<<10 {
			break
		}
		runs := []any{map[string]any{"type": "TextRun", "text": cut(f.Name, 100) + ": ", "weight": "Bolder"}}
		if f.Graph != "" {
			runs = append(runs, map[string]any{"type": "TextRun", "text": cut(f.Graph, 200) + " ", "fontType": "Monospace"})
		}
		runs = append(runs, map[string]any{"type": "TextRun", "text": filled(cut(f.Value, 500))})
		blocks = append(blocks, richText(runs...))
	}
	return blocks
}

func richText(runs ...any) map[string]any {
	return map[string]any{"type": "RichTextBlock", "inlines": runs}
}

// cardStyle is the nearest that a card has to a colour.
func cardStyle(m notify.Message) string {
	switch u := urgency(m); {
	case m.Tone == notify.Relief:
		return "good"
	case u >= 3:
		return "attention"
	case u == 2:
		return "warning"
	case u == 1:
		return "accent"
	}
	return "emphasis"
}

// notHTML is for services that answer in more than one form: a page is not
// theirs, but that of something between us and them.
func notHTML(body []byte) string {
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")) {
		return "server"
	}
	return ""
}
