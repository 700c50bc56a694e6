// Package ruleset is rules as code: it reads files of rules, plans what has to be
// done so that the rules are as the files say, does it, writes rules as files
// would have them, and plays tests of rules on made-up series. A single rule is
// changed by app; what a rule would have done in the past is shown by insight.
package ruleset

import "github.com/9bikes/tocsin/app"

// Planner makes the rules of an App those of files.
type Planner struct{ app *app.App }

// New returns the Planner of an App.
func New(a *app.App) *Planner { return &Planner{app: a} }
