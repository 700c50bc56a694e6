package local

import (
	"net/http"
	"path/filepath"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/insight"
	"github.com/9bikes/tocsin/rules"
)

// examined is the answer of the doctor.
type examined struct {
	Findings []insight.Finding `json:"findings"`
}

// listed is the answer to who asks for the channels.
type listed struct {
	Channels []rules.ChannelInfo `json:"channels"`
	Warnings []string            `json:"warnings"`
}

// reviewed is what the daemon makes of its config file.
type reviewed struct {
	Path     string         `json:"path"` // "" for no file
	Config   app.ConfigView `json:"config"`
	Warnings []string       `json:"warnings"`
	Faults   []fault        `json:"faults,omitempty"`
}

// known answers whom the system names.
func (d door) known(w http.ResponseWriter, r *http.Request, answer func() (any, error)) {
	_, err := caller(r)
	var subject any
	if err == nil {
		subject, err = answer()
	}
	d.answer(w, subject, err)
}

func (d door) status(w http.ResponseWriter, r *http.Request) {
	d.answer(w, d.Status(r.Context()), nil)
}

func (d door) doctor(w http.ResponseWriter, r *http.Request) {
	d.known(w, r, func() (any, error) { return examined{insight.New(d.App).Doctor(r.Context())}, nil })
}

func (d door) channels(w http.ResponseWriter, r *http.Request) {
	d.known(w, r, func() (any, error) {
		list, err := d.ListChannels(r.Context())
		return listed{list, d.Warnings()}, err
	})
}

// config reads the config again, with the daemon's own environment and
// credentials. What is wrong with it is the answer.
func (d door) config(w http.ResponseWriter, r *http.Request) {
	d.known(w, r, func() (any, error) {
		if d.options.Reload == nil {
			return nil, rules.Errorf(rules.NotFound, "this daemon reads no config")
		}
		out := reviewed{Path: d.Config.Path, Warnings: []string{}}
		if path, err := filepath.Abs(out.Path); err == nil && out.Path != "" {
			out.Path = path
		}
		c, err := d.options.Reload()
		if err != nil {
			out.Faults = d.placedFaults(err)
			return out, nil
		}
		out.Config, out.Warnings = app.ViewConfig(c), d.ConfigWarnings(r.Context(), c)
		return out, nil
	})
}

// placedFaults are those of faultsOf with the place in the file before each
// sentence.
func (d door) placedFaults(err error) (out []fault) {
	for _, e := range rules.Joined(err) {
		f := d.faultOf(e)
		if f.Code != rules.Internal {
			f.Message = e.Error()
		}
		out = append(out, f)
	}
	return out
}

// live lets a live source answer the other processes of this machine.
func (d door) live(w http.ResponseWriter, r *http.Request) {
	source := d.options.Live[r.PathValue("name")]
	if source == nil {
		d.answer(w, nil,
			rules.Errorf(rules.NotFound, "there is no live source of this name; `tocsin status` lists the sources"))
		return
	}
	source.ServeHTTP(w, r)
}
