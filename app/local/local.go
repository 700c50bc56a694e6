// Package local is what the processes of one machine share with its daemon: the
// socket, with its server and its client, the lock that keeps a second daemon
// off a data directory, and the file that dates a crash. Over the socket, in
// JSON, goes what only the daemon can tell or do: how it is doing, what it makes
// of its config with the credentials that it was given, and what takes the key of
// the channels. Models' messages go there too, which are app/mcp's; what is asked
// over the network is app/web's, and who is told what is app/daemon's.
//
// Who can connect may add a channel. The system lets in root, the daemon's own
// user and the members of its group, and an administrator puts people into that
// group for this very end; a rule that names no channel tells them all, so that
// adding one is as much as replacing one. Whom the system does not name is
// told how the daemon is doing, and is refused all else. The credential crosses
// the socket once, in a body, and no answer holds it.
package local

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// Path is what the paths of this door begin with.
const Path = "/channels"

const (
	maxRequest = 64 << 10
	// mostPatience is less than a connection may take.
	mostPatience = 45 * time.Second
)

// Unknown is the name of a peer that the system does not name.
const Unknown = "unknown"

// addition is a channel to be added, or another credential for one.
type addition struct {
	URL      string          `json:"url"`
	Settings notify.Settings `json:"settings"`
	Replace  bool            `json:"replace,omitempty"`
}

// added is the answer to an addition.
type added struct {
	Channel  rules.ChannelInfo `json:"channel"`
	Warnings []string          `json:"warnings"`
}

// trial asks for a test message, and says how long to wait for its delivery.
type trial struct {
	WaitMS int64 `json:"wait_ms"`
}

// tried is the answer to a trial.
type tried struct {
	Test     app.TestAnswer `json:"test"`
	Warnings []string       `json:"warnings"`
}

// fault is one error, as this door writes it.
type fault struct {
	Code    rules.Code `json:"code"`
	Field   string     `json:"field,omitempty"`
	Message string     `json:"message"`
	// Hints are cures that the one who asks words.
	Hints []rules.Hint `json:"hints,omitempty"`
}

// faults is the answer where something was wrong.
type faults struct {
	Errors []fault `json:"errors"`
}

// statuses is the dialect of this door.
var statuses = map[rules.Code]int{
	rules.Invalid: http.StatusBadRequest, rules.Forbidden: http.StatusForbidden, rules.NotFound: http.StatusNotFound,
	rules.Conflict: http.StatusConflict, rules.Unavailable: http.StatusServiceUnavailable,
	rules.Internal: http.StatusInternalServerError,
}

// Options are what a Handler may be told besides its App.
type Options struct {
	// Live answers, by its name, for each live source.
	Live map[string]http.Handler
	// Reload reads the config as the daemon would now; nil where there is none.
	Reload func() (*app.Config, error)
}

// Handler answers for one session of the daemon. The address of each request is
// the name of the user at the other end.
func Handler(a *app.App, log *slog.Logger, o Options) http.Handler {
	d := door{a, log, o}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", d.status)
	mux.HandleFunc("GET /doctor", d.doctor)
	mux.HandleFunc("GET /config", d.config)
	mux.HandleFunc("POST /live/{name}", d.live)
	mux.HandleFunc("GET "+Path+"/{$}", d.channels)
	mux.HandleFunc("POST "+alertsPath, d.alerts)
	mux.HandleFunc("GET "+alertsPath+"/{id}", d.alert)
	mux.HandleFunc("POST "+alertsPath+"/{id}/acknowledgement", d.acknowledge)
	mux.HandleFunc("PUT "+Path+"/{name}", d.add)
	mux.HandleFunc("POST "+Path+"/{name}/test", d.test)
	return mux
}

type door struct {
	*app.App
	log     *slog.Logger
	options Options
}

// caller is who is at the other end.
func caller(r *http.Request) (rules.Actor, error) {
	if r.RemoteAddr == "" || r.RemoteAddr == Unknown {
		return rules.Actor{}, rules.Errorf(rules.Forbidden,
			"this system does not say who you are; run the command as the owner of the data directory")
	}
	return rules.Actor{Name: r.RemoteAddr, Door: "cli"}, nil
}

func (d door) add(w http.ResponseWriter, r *http.Request) {
	var req addition
	by, err := read(w, r, &req)
	if err != nil {
		d.answer(w, nil, err)
		return
	}
	name := r.PathValue("name")
	var info rules.ChannelInfo
	if req.Replace {
		info, err = d.ReplaceCredential(r.Context(), by, name, rules.NewSecret(req.URL))
	} else {
		info, err = d.AddChannel(r.Context(), by, name, rules.NewSecret(req.URL), req.Settings)
	}
	if err == nil {
		d.log.Info("channel added", "channel", name, "kind", info.Kind, "by", by.Name, "replaced", req.Replace)
	}
	d.answer(w, added{info, d.Warnings()}, err)
}

func (d door) test(w http.ResponseWriter, r *http.Request) {
	var req trial
	by, err := read(w, r, &req)
	if err != nil {
		d.answer(w, nil, err)
		return
	}
	got, err := d.TestChannel(r.Context(), by, r.PathValue("name"),
		min(time.Duration(req.WaitMS)*time.Millisecond, mostPatience))
	d.answer(w, tried{got, d.Warnings()}, err)
}

// read returns who asks, and for what. Its error repeats nothing of the body.
func read(w http.ResponseWriter, r *http.Request, into any) (rules.Actor, error) {
	by, err := caller(r)
	if err != nil {
		return by, err
	}
	in := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	in.DisallowUnknownFields()
	if in.Decode(into) != nil || in.Decode(&struct{}{}) != io.EOF {
		return by, rules.Errorf(rules.Invalid,
			"the request cannot be read; is the command of the same version as the daemon? `tocsin version` and `tocsin "+
				"status` tell")
	}
	return by, nil
}

func (d door) answer(w http.ResponseWriter, subject any, err error) {
	status := http.StatusOK
	if err != nil {
		status = statuses[rules.CodeOf(err)]
		subject = faults{d.faultsOf(err)}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	text, err := json.Marshal(subject)
	if err == nil {
		_, err = w.Write(append(rules.EscapeJSON(text), '\n'))
	}
	if err != nil {
		d.log.Debug("answer not written", "error", err)
	}
}

// faultsOf lists the errors that are joined in err. One that is not meant for
// callers goes to the log.
func (d door) faultsOf(err error) (out []fault) {
	for _, e := range rules.Joined(err) {
		out = append(out, d.faultOf(e))
	}
	return out
}

func (d door) faultOf(err error) fault {
	var ours *rules.Error
	if errors.As(err, &ours) {
		return fault{ours.Code, ours.Field, ours.Text, ours.Hints}
	}
	d.log.Error("request over the socket failed", "error", err)
	return fault{Code: rules.Internal, Message: "something went wrong in the daemon; see its log"}
}
