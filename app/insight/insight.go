// Package insight is what can be looked at: what sources hold and what it was,
// why an alert fires or does not, what a rule would have done, and what keeps
// people from being told. It changes nothing and saves nothing; acts are of app,
// rules as code of ruleset, and pictures of charts are drawn by a leaf.
package insight

import "github.com/9bikes/tocsin/app"

// Analyst looks at the house of an App and its data.
type Analyst struct{ app *app.App }

// New returns the Analyst of an App.
func New(a *app.App) *Analyst { return &Analyst{app: a} }
