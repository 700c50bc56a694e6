package rules

import (
	"errors"
	"slices"
	"strings"
)

// Cure is what helps against a refusal by a means that every door has, and calls
// otherwise: a command, a tool, an argument.
type Cure string

// The cures a refusal can carry, and what their hint names.
const (
	SeeFiring         Cure = "see_firing"         // look at the alerts that fire
	SeeAlerts         Cure = "see_alerts"         // look at the alerts that there are
	SeePast           Cure = "see_past"           // look at an alert of a rule that is gone
	SeeDeadLetters    Cure = "see_dead_letters"   // look at the dead letters
	SeeTokens         Cure = "see_tokens"         // look at the tokens
	AddChannel        Cure = "add_channel"        // add the channel that is named
	AddAtDaemon       Cure = "add_at_daemon"      // add it where the daemon is
	ReplaceCredential Cure = "replace_credential" // give the channel another credential
	AddToken          Cure = "add_token"          // make a token
	RenewToken        Cure = "renew_token"        // revoke the token that is named, and make another
	StartDaemon       Cure = "start_daemon"       // start the daemon, then repeat the act
	Diagnose          Cure = "diagnose"           // find out what ails the database
	AllowUnknown      Cure = "allow_unknown"      // take the rule for data that is yet to come
	SaveUnchecked     Cure = "save_unchecked"     // take it although its source does not answer
	LeaveOpen         Cure = "leave_open"         // say that the silence has no end
	TakeOver          Cure = "take_over"          // let apply take over the rule
	Instead           Cure = "instead"            // give the field the value that is named
	LikeExport        Cure = "like_export"        // write the file as an export is written
)

// Hint is a cure, and the name of what it is about where there is one.
type Hint struct {
	Cure Cure   `json:"cure"`
	Name string `json:"name,omitempty"`
}

// WithHint adds a cure to a refusal; name may be "".
func WithHint(err error, cure Cure, name string) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	hinted := *e
	hinted.Hints = append(slices.Clone(e.Hints), Hint{cure, name})
	return &hinted
}

// Hints are those of the first Error in err's tree.
func Hints(err error) []Hint {
	var e *Error
	if !errors.As(err, &e) {
		return nil
	}
	return e.Hints
}

// Dialect is how a door words cures, each with the mark that parts it from the
// sentence before it; {} stands for the name.
type Dialect map[Cure]string

// Sentence is what an error says, with its cures. One that the door has no words
// for is left out.
func (d Dialect) Sentence(err error) string {
	text := err.Error()
	for _, h := range Hints(err) {
		text += strings.ReplaceAll(d[h.Cure], "{}", h.Name)
	}
	return text
}
