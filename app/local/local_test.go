package local_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/app/local"
	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

const canary = "caNary7Q9x"

// door is a door of an App that holds no key, whose log is kept.
func door(log *bytes.Buffer) http.Handler {
	h := local.Handler(app.New(app.App{Config: &app.Config{}, Version: "1.2"}),
		slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})), local.Options{})
	s := local.NewServer("", "1.2", http.NotFoundHandler())
	s.SetSession(h)
	return s
}

func ask(h http.Handler, user, method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.Background(), method, path, strings.NewReader(body))
	r.RemoteAddr = user
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestWhomTheSystemDoesNotNameIsRefused, and nothing that was sent is repeated.
func TestWhomTheSystemDoesNotNameIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name, user, method, path, body string
		code                           int
		says                           string
	}{
		{"a greeting", "ann", "GET", "/channels", "", 200, `"user":"ann"`},
		{"of nobody", local.Unknown, "GET", "/channels", "", 200, `"user":"unknown"`},
		{"a list of nobody", local.Unknown, "GET", "/channels/", "", 403, "does not say who you are"},
		{
			"a channel of nobody", local.Unknown, "PUT", "/channels/phone", `{"url":"ntfy://ntfy.sh/` + canary + `"}`, 403,
			"does not say who you are",
		},
		{"a test of nobody", local.Unknown, "POST", "/channels/phone/test", `{"wait_ms":1}`, 403, "does not say who you are"},
		{"no JSON", "ann", "PUT", "/channels/phone", canary, 400, "the request cannot be read"},
		{
			"a key of another version", "ann", "PUT", "/channels/phone", `{"url":"x","` + canary + `":1}`, 400,
			"of the same version",
		},
		{"two things", "ann", "PUT", "/channels/phone", `{"url":"x"}{"url":"` + canary + `"}`, 400, "cannot be read"},
		{
			"too much", "ann", "PUT", "/channels/phone", `{"url":"` + strings.Repeat(canary, 10_000) + `"}`, 400,
			"cannot be read",
		},
		{
			"an App without a key", "ann", "PUT", "/channels/phone", `{"url":"ntfy://ntfy.sh/` + canary + `"}`, 403,
			"holds no channel credentials",
		},
		{"another method", "ann", "DELETE", "/channels/phone", "", 405, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			w := ask(door(&log), tt.user, tt.method, tt.path, tt.body)
			if w.Code != tt.code || !strings.Contains(w.Body.String(), tt.says) {
				t.Errorf("answer = %d %s, want %d %s", w.Code, w.Body, tt.code, tt.says)
			}
			if all := w.Body.String() + log.String(); strings.Contains(all, canary) {
				t.Errorf("a credential is in %s", all)
			}
		})
	}
}

// TestErrorsCrossTheSocketAsTheyAre: code, field and sentence, one by one.
func TestErrorsCrossTheSocketAsTheyAre(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"errors":[{"code":"invalid","field":"rate","message":"must be"},{"code":"conflict","message":"is taken"}]}`))
	}))
	defer server.Close()
	c := client(server.Listener.Addr().String())
	_, _, err := c.AddChannel(t.Context(), "a/b", rules.NewSecret(canary), notify.Settings{}, false)
	var first *rules.Error
	if !errors.As(err, &first) || first.Code != rules.Invalid || first.Field != "rate" ||
		err.Error() != "rate: must be\nis taken" {
		t.Errorf("error = %v", err)
	}
}

func TestCuresCrossTheSocketAsHints(t *testing.T) {
	h := door(&bytes.Buffer{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RemoteAddr = "ann"
		h.ServeHTTP(w, r)
	}))
	defer server.Close()
	_, _, err := client(server.Listener.Addr().String()).AddChannel(t.Context(), "phone", rules.NewSecret(canary),
		notify.Settings{}, false)
	if hints := rules.Hints(err); len(hints) != 1 || hints[0] != (rules.Hint{Cure: rules.AddAtDaemon, Name: "phone"}) {
		t.Errorf("error = %v, hints %v", err, hints)
	}
}

// TestADaemonOfOtherDataIsNone, and so is one that has no such door.
func TestADaemonOfOtherDataIsNone(t *testing.T) {
	for _, status := range []int{http.StatusMisdirectedRequest, http.StatusNotFound, http.StatusServiceUnavailable} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "not here", status)
		}))
		if _, there, err := client(server.Listener.Addr().String()).Greet(t.Context()); there || err != nil {
			t.Errorf("%d: %v, %v", status, there, err)
		}
		server.Close()
	}
	if _, there, err := client("127.0.0.1:1").Greet(t.Context()); there || err == nil {
		t.Errorf("nobody: %v, %v", there, err)
	}
}

func client(address string) *local.Client {
	return local.NewClient(func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", address)
	}, http.Header{})
}

// TestADaemonOfBeforeAnUpgradeIsToBeRestarted: it greets, and does not know the
// question.
func TestADaemonOfBeforeAnUpgradeIsToBeRestarted(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	if _, err := client(server.Listener.Addr().String()).Status(t.Context()); rules.CodeOf(err) != rules.Unavailable ||
		!strings.Contains(err.Error(), "restart it") {
		t.Errorf("error = %v", err)
	}
}
