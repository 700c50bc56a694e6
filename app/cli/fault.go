package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/9bikes/tocsin/rules"
)

// The exit codes.
const (
	exitOK = iota
	exitFailed
	exitUsage
	exitNotFound
	exitConflict
)

// exits is the dialect of this door: an exit code for each code of an error.
var exits = map[rules.Code]int{
	"": exitOK, rules.Invalid: exitUsage, rules.NotFound: exitNotFound, rules.Conflict: exitConflict,
	rules.Forbidden: exitFailed, rules.Unavailable: exitFailed, rules.Internal: exitFailed,
}

// failed is an error that is no fault of the command line, whatever its code:
// a config that is wrong, a daemon that cannot start.
type failed struct{ error }

// Unwrap returns the error itself.
func (f failed) Unwrap() error { return f.error }

// silent ends a command whose answer already said what failed.
type silent struct{}

// Error is never shown.
func (silent) Error() string { return "" }

// dialect is how this door words cures.
var dialect = rules.Dialect{
	rules.SeeFiring:         "; `tocsin alerts list` shows those that fire",
	rules.SeeAlerts:         "; `tocsin alerts list` shows those that there are",
	rules.SeePast:           "; `tocsin alerts list` shows what it was",
	rules.SeeDeadLetters:    "; `tocsin channels dead` lists those",
	rules.SeeTokens:         ", which `tocsin tokens list` shows",
	rules.AddChannel:        ": add one with `tocsin channels add {}`",
	rules.AddAtDaemon:       "; run `tocsin channels add {}` on the machine of the daemon",
	rules.ReplaceCredential: ", or give it another credential with `tocsin channels add --replace {}`",
	rules.AddToken:          "; `tocsin tokens add NAME` on the machine of tocsin makes another",
	rules.RenewToken:        "; `tocsin tokens revoke {}` and make another",
	rules.StartDaemon:       "; start it with `tocsin serve`, then try again",
	rules.Diagnose:          "; `tocsin doctor` says what is wrong with the database",
	rules.AllowUnknown:      "; to save the rule for data yet to come, use --allow-unknown",
	rules.Instead:           "", // the sentence names it
	rules.SaveUnchecked:     ", or save it unchecked with --allow-unknown",
	rules.LeaveOpen:         ", or say --open-ended for one that lasts until somebody ends it",
	rules.TakeOver:          ", or take it over with --adopt",
	rules.LikeExport:        ", as `tocsin rules export` does",
}

// problem is an error as --json writes it.
type problem struct {
	Code    rules.Code `json:"code"`
	Message string     `json:"message"`
	Field   string     `json:"field,omitempty"`
}

// report prints an error and returns the exit code for it.
func report(w io.Writer, err error, asJSON bool) int {
	if err == nil {
		return exitOK
	}
	if errors.As(err, new(silent)) {
		return exitFailed
	}
	if asJSON {
		writeProblems(w, rules.Joined(err))
	} else {
		for _, e := range rules.Joined(err) {
			fmt.Fprintln(w, "error:", clean(dialect.Sentence(e)))
		}
	}
	if errors.As(err, new(failed)) {
		return exitFailed
	}
	return exits[rules.CodeOf(err)]
}

func writeProblems(w io.Writer, errs []error) {
	var all []problem
	for _, e := range errs {
		p := problem{Code: rules.CodeOf(e), Message: dialect.Sentence(e)}
		var ours *rules.Error
		if errors.As(e, &ours) {
			p.Field = ours.Field
		}
		all = append(all, p)
	}
	enc := encoder(w)
	if err := enc.Encode(map[string]any{"error": all[0], "errors": all}); err != nil {
		fmt.Fprintln(w, "error:", clean(all[0].Message))
	}
}

// escaped is a stream of JSON on which nothing hidden goes out as it is.
type escaped struct{ io.Writer }

// Write writes a whole document.
func (e escaped) Write(document []byte) (int, error) {
	if _, err := e.Writer.Write(rules.EscapeJSON(document)); err != nil {
		return 0, err
	}
	return len(document), nil
}

func encoder(w io.Writer) *json.Encoder {
	enc := json.NewEncoder(escaped{w})
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc
}
