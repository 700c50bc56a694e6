package live

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/9bikes/tocsin/rules"
)

const (
	maxBody      = 10 << 20 // bytes of a request
	maxUnzipped  = 25 << 20 // bytes of it without gzip
	maxStatement = 64 << 10 // bytes of a request to /query
)

// HandlerOptions say who may write.
type HandlerOptions struct {
	// Allow refuses a request, with a sentence if its error is a rules.Error.
	// The credential is the token of the Authorization header, the password of
	// Basic authorisation or the parameter p; it is empty when there is none.
	// Nil allows who connects over loopback and nobody else.
	Allow func(r *http.Request, credential string) error
	// Host says whether a name in the Host header, without its port, is one of
	// ours; a web page that had its own name resolve to us has another. Nil
	// takes localhost and loopback addresses.
	Host func(host string) bool
}

// Handler takes points as InfluxDB does, for Telegraf, Home Assistant and
// whatever else writes line protocol over HTTP:
//
//	POST /write          InfluxDB 1, precision n ns u us ms s m h
//	POST /api/v2/write   InfluxDB 2 and 3, precision ns us ms s
//	GET  /ping           204 and a version
//	POST /query          what writers ask before they write, see serveQuery
//
// There is one store, so database, organisation and bucket are names only.
// What a browser sends from another site is refused.
func (s *Store) Handler(o HandlerOptions) http.Handler {
	if o.Allow == nil {
		o.Allow = allowLoopback
	}
	if o.Host == nil {
		o.Host = rules.Loopback
	}
	mux := http.NewServeMux()
	mux.Handle("POST /write", o.guard(v1, s.serveWrite(v1)))
	mux.Handle("POST /api/v2/write", o.guard(v2, s.serveWrite(v2)))
	mux.Handle("GET /query", o.guard(v1, http.HandlerFunc(s.serveQuery)))
	mux.Handle("POST /query", o.guard(v1, http.HandlerFunc(s.serveQuery)))
	mux.HandleFunc("GET /ping", servePing)
	return o.sameSite(mux)
}

// dialect is how an API of InfluxDB tells an error.
type dialect int

const (
	v1 dialect = iota
	v2
)

func (d dialect) refuse(w http.ResponseWriter, status int, sentence string) {
	body := map[string]string{"error": sentence}
	if d == v2 {
		body = map[string]string{"code": codeOf(status), "message": sentence}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	text, _ := json.Marshal(body) // two texts
	// Whoever does not read the answer gets none.
	_, _ = w.Write(append(rules.EscapeJSON(text), '\n'))
}

// codeOf is InfluxDB 2's word for a status.
func codeOf(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "unauthorized"
	case http.StatusRequestEntityTooLarge:
		return "request too large"
	case http.StatusServiceUnavailable:
		return "unavailable"
	}
	return "invalid"
}

// sameSite refuses what web pages of other sites can make a browser send.
func (o HandlerOptions) sameSite(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.Header.Values("Origin")) > 0 {
			v1.refuse(w, http.StatusForbidden, "points are not taken from web pages")
			return
		}
		if !o.Host(hostName(r.Host)) {
			v1.refuse(w, http.StatusForbidden,
				"this name is not one of this machine's; write to its address, or add the name to the configuration")
			return
		}
		w.Header().Set("X-Influxdb-Version", tells)
		w.Header().Set("X-Influxdb-Build", "tocsin")
		next.ServeHTTP(w, r)
	})
}

func hostName(hostPort string) string {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		host = hostPort
	}
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}

func allowLoopback(r *http.Request, _ string) error {
	if rules.Loopback(hostName(r.RemoteAddr)) {
		return nil
	}
	return rules.Errorf(rules.Forbidden, "points are taken from this machine only")
}

// guard asks who writes.
func (o HandlerOptions) guard(d dialect, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := o.Allow(r, credential(r))
		if err == nil {
			next.ServeHTTP(w, r)
			return
		}
		status, sentence := http.StatusUnauthorized,
			"authorization failed; give a token that may write, as Authorization: Token"
		var ours *rules.Error
		if errors.As(err, &ours) {
			sentence = ours.Error()
		}
		if rules.CodeOf(err) == rules.Unavailable {
			status = http.StatusServiceUnavailable
		} else {
			w.Header().Set("WWW-Authenticate", `Basic realm="InfluxDB"`)
		}
		d.refuse(w, status, sentence)
	})
}

func credential(r *http.Request) string {
	if _, password, ok := r.BasicAuth(); ok {
		return password
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Token") || strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	return r.URL.Query().Get("p")
}

func (s *Store) serveWrite(d dialect) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.databases.note(r.URL.Query().Get("db"))
		precision, err := precisionOf(d, r.URL.Query().Get("precision"))
		if err != nil {
			d.refuse(w, http.StatusBadRequest, err.Error())
			return
		}
		body, err := readBody(w, r)
		if err == nil {
			err = s.Write(body, precision, time.Now())
		}
		var tooLarge *http.MaxBytesError
		switch {
		case err == nil:
			w.WriteHeader(http.StatusNoContent)
		case errors.As(err, &tooLarge):
			d.refuse(w, http.StatusRequestEntityTooLarge,
				fmt.Sprintf("the body is too large: at most %d MB, %d MB unzipped; write smaller batches", maxBody>>20,
					maxUnzipped>>20))
		case rules.CodeOf(err) == rules.Invalid:
			d.refuse(w, http.StatusBadRequest, err.Error())
		default:
			d.refuse(w, http.StatusBadRequest, "the body cannot be read: it is cut off, or not what its Content-Encoding says")
		}
	})
}

func precisionOf(d dialect, name string) (time.Duration, error) {
	switch name {
	case "", "ns":
		return time.Nanosecond, nil
	case "us", "µs":
		return time.Microsecond, nil
	case "ms":
		return time.Millisecond, nil
	case "s":
		return time.Second, nil
	}
	if d == v2 {
		return 0, rules.FieldErrorf("precision", "must be one of ns, us, ms, s")
	}
	switch name {
	case "n":
		return time.Nanosecond, nil
	case "u", "µ":
		return time.Microsecond, nil
	case "m":
		return time.Minute, nil
	case "h":
		return time.Hour, nil
	}
	return 0, rules.FieldErrorf("precision", "must be one of n, ns, u, us, ms, s, m, h")
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body := http.MaxBytesReader(w, r.Body, maxBody)
	switch strings.ToLower(r.Header.Get("Content-Encoding")) {
	case "", "identity":
		return io.ReadAll(body)
	case "gzip":
		return unzip(body)
	}
	return nil, rules.Errorf(rules.Invalid, "Content-Encoding must be gzip or identity")
}

func unzip(body io.Reader) ([]byte, error) {
	zipped, err := gzip.NewReader(body)
	if err != nil {
		return nil, fmt.Errorf("unzip the body: %w", err)
	}
	plain, err := io.ReadAll(io.LimitReader(zipped, maxUnzipped+1))
	if err == nil && len(plain) > maxUnzipped {
		err = &http.MaxBytesError{Limit: maxUnzipped}
	}
	if err != nil {
		return nil, fmt.Errorf("unzip the body: %w", err)
	}
	return plain, nil
}
