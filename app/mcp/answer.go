package mcp

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
)

// The most that an answer repeats of a text that comes from data or people, and
// of an error.
const (
	dataSize  = 200
	noteSize  = 500
	querySize = 8000 // what a source was asked: an expression has many inputs
	errorSize = 3000
)

// answer is the result of a call that went well: the same JSON for clients that
// read structured content and for those that read text.
func (s *Server) answer(t tool, v any) *mcp.CallToolResult {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return refusal(s.secrets, s.mishap(t, fmt.Errorf("write the answer: %w", err)))
	}
	body := []byte(rules.Defuse(s.secrets.Clean(strings.TrimSpace(b.String())), "", ""))
	result := &mcp.CallToolResult{
		Content:           []mcp.Content{mcp.NewTextContent(string(body))},
		StructuredContent: json.RawMessage(body),
	}
	if with, ok := v.(illustrated); ok {
		if pictures := with.contents(); len(pictures) > 0 {
			// Some clients show no picture where structured content stands beside it.
			result.Content, result.StructuredContent = append(result.Content, pictures...), nil
		}
	}
	return result
}

// refusal is the result of a call that went wrong. Its text has to say
// everything: it is all that a model sees.
func refusal(secrets app.Redactor, text string) *mcp.CallToolResult {
	text = rules.Defuse(secrets.Clean(cappedText(text, errorSize)), "", "\n\t")
	return &mcp.CallToolResult{Content: []mcp.Content{mcp.NewTextContent(text)}, IsError: true}
}

// worded says what was wrong with a call and gives one that works. Errors that
// are not meant for the caller go to the log.
func (s *Server) worded(t tool, err error, given map[string]any) string {
	var ours []*rules.Error
	for _, e := range rules.Joined(err) {
		var known *rules.Error
		if !errors.As(e, &known) || known.Code == rules.Internal {
			return s.mishap(t, e)
		}
		ours = append(ours, known)
	}
	lines := []string{fmt.Sprintf("%s was refused (%s):", t.name, ours[0].Code)}
	if !t.effect.reads {
		lines[0] = fmt.Sprintf("%s was refused (%s), nothing was changed:", t.name, ours[0].Code)
	}
	for _, e := range ours {
		lines = append(lines, "- "+cleaned(dialect.Sentence(e), errorSize/2))
	}
	if slices.ContainsFunc(ours, mayAllow) {
		lines = append(lines, `For data that is yet to come add "allow_unknown": true.`)
	}
	return strings.TrimSpace(strings.Join(append(lines, t.works(err, ours, given)), "\n"))
}

// mayAllow reports whether the call would have gone well with allow_unknown.
func mayAllow(e *rules.Error) bool {
	return slices.ContainsFunc(e.Hints, func(h rules.Hint) bool { return h.Cure == rules.AllowUnknown })
}

// dialect is how this door words cures. Tools do not reach credentials, tokens
// and the daemon, so that a person has to.
var dialect = rules.Dialect{
	rules.SeeFiring:         "; list_alerts shows those that fire",
	rules.SeeAlerts:         "; list_alerts shows those that there are",
	rules.SeePast:           "; list_alerts shows what it was",
	rules.SeeDeadLetters:    "; a person lists those with `tocsin channels dead`",
	rules.SeeTokens:         ", which `tocsin tokens list` shows",
	rules.AddChannel:        ": a person adds one with `tocsin channels add {}`",
	rules.AddAtDaemon:       "; a person runs `tocsin channels add {}` on the machine of the daemon",
	rules.ReplaceCredential: ", or a person gives it another credential with `tocsin channels add --replace {}`",
	rules.AddToken:          "; `tocsin tokens add NAME` on the machine of tocsin makes another",
	rules.RenewToken:        "; a person has to revoke it with `tocsin tokens revoke {}` and make another",
	rules.StartDaemon:       "; a person starts it with `tocsin serve`, then test again",
	rules.Diagnose:          "; `tocsin doctor` says what is wrong with the database",
	rules.AllowUnknown:      "", // said once, below all of them
	rules.SaveUnchecked:     `, or save it unchecked with "allow_unknown": true`,
	rules.LeaveOpen:         `, or say "open_ended": true`,
	rules.Instead:           "", // in the call that is given below
	rules.TakeOver:          "", // nothing is applied here
	rules.LikeExport:        "",
}

// sentence is what a caller is told of an error.
func sentence(err error) string {
	if ours, ok := errors.AsType[*rules.Error](err); ok {
		return dialect.Sentence(ours)
	}
	return err.Error()
}

// longestCall is how long a call may be that a refusal corrects.
const longestCall = 1000

// works gives a call in the right form: the one that was meant where that is
// known, else what was given with its faults mended, else an example.
func (t *tool) works(err error, ours []*rules.Error, given map[string]any) string {
	var c *correctable
	if errors.As(err, &c) {
		if meant := quoted(c.meant); len(meant) <= longestCall {
			return "You may have meant: " + t.name + " " + meant
		}
	}
	if ours[0].Code != rules.Invalid {
		return ""
	}
	if mended, ok := t.mended(ours, given); ok {
		return "A call in the right form: " + t.name + " " + mended
	}
	return "A call in the right form: " + t.name + " " + t.example
}

// mended is what was given, with the fields that were refused as they should
// be: the value that the refusal knows, else the one of the example, else none.
func (t *tool) mended(ours []*rules.Error, given map[string]any) (string, bool) {
	var example map[string]any
	if json.Unmarshal([]byte(t.example), &example) != nil || len(given) == 0 {
		return "", false
	}
	out := cloned(given)
	for _, e := range ours {
		path := strings.Split(e.Field, ".")
		if e.Code != rules.Invalid || e.Field == "" || strings.Contains(e.Field, "[") {
			return "", false
		}
		i := slices.IndexFunc(e.Hints, func(h rules.Hint) bool { return h.Cure == rules.Instead })
		right := at(example, path)
		if i >= 0 {
			right = e.Hints[i].Name
		}
		put(out, path, right)
	}
	text := quoted(out)
	return text, len(text) <= longestCall && text != quoted(given)
}

func cloned(doc map[string]any) map[string]any {
	out := map[string]any{}
	for key, v := range doc {
		if inner, ok := v.(map[string]any); ok {
			v = cloned(inner)
		}
		out[key] = v
	}
	return out
}

// at is what a document has at a path, nil for nothing.
func at(doc map[string]any, path []string) any {
	for _, key := range path[:len(path)-1] {
		doc, _ = doc[key].(map[string]any)
	}
	return doc[path[len(path)-1]]
}

// put sets a value at a path, or takes away what is there for nil.
func put(doc map[string]any, path []string, v any) {
	for _, key := range path[:len(path)-1] {
		inner, ok := doc[key].(map[string]any)
		if !ok {
			inner = map[string]any{}
			doc[key] = inner
		}
		doc = inner
	}
	key := path[len(path)-1]
	if delete(doc, key); v != nil {
		doc[key] = v
	}
}

// mishap logs a cause that the caller must not see, and returns what it may.
func (s *Server) mishap(t tool, cause error) string {
	if errors.Is(cause, context.Canceled) || errors.Is(cause, context.DeadlineExceeded) {
		return t.name + " was stopped before it was done; whether anything was changed is not known, list to see"
	}
	id := strings.ToLower(rand.Text()[:8])
	s.log.Error("tool failed", "tool", t.name, "error_id", id, "error", s.secrets.Clean(cause.Error()))
	return fmt.Sprintf("%s failed: internal error %s. It is not your arguments; the cause is in the log of tocsin under "+
		"that id. Try once more, then tell the user.", t.name, id)
}

// cleaned is text on one line without what could steer a terminal or a reader:
// control and format characters; and at most so long.
func cleaned(text string, most int) string {
	text = strings.NewReplacer("\n", " ", "\t", " ", "\r", " ", rules.Replacement, "").Replace(text)
	return cappedText(rules.Defuse(text, "", ""), most)
}

func cappedText(text string, most int) string {
	if len(text) <= most {
		return text
	}
	cut := most - len("…")
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

// when writes a time with its zone and how long ago it is.
func (s *Server) when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	d := s.now().Sub(t).Round(time.Second)
	text := t.In(s.zone).Format(time.RFC3339)
	if d < 0 {
		return text + " (in " + rules.Roughly(-d) + ")"
	}
	return text + " (" + rules.Roughly(d) + " ago)"
}

func (s *Server) whenGiven(t *time.Time) string {
	if t == nil {
		return ""
	}
	return s.when(*t)
}

// cursor is where a page ended, in a form that nobody builds by hand.
func cursor(parts ...string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strings.Join(parts, "\n")))
}

// after reads a cursor of so many parts; nil when none is given.
func (a *arguments) after(t string, parts int) []string {
	text := a.text("cursor")
	if text == "" {
		return nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	out := strings.Split(string(raw), "\n")
	if err != nil || len(out) != parts+1 || out[0] != t {
		a.wrong("cursor", "is not one that %s gave as next; leave it out to begin at the first page", t)
		return nil
	}
	return out[1:]
}
