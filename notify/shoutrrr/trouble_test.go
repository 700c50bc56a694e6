package shoutrrr_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/notify/shoutrrr"
	"github.com/9bikes/tocsin/rules"
)

func options() shoutrrr.Options { return shoutrrr.Options{Timeout: time.Minute} }

// quiet fails the test if something of a channel's credential is printed or
// logged while it runs, or anything at all is written to stdout.
func quiet(t *testing.T) {
	t.Helper()
	var logged bytes.Buffer
	before, std := slog.Default(), os.Stdout
	slog.SetDefault(slog.New(slog.NewTextHandler(&logged, nil)))
	log.SetOutput(&logged)
	file, err := os.Create(filepath.Join(t.TempDir(), "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	os.Stdout = file
	t.Cleanup(func() {
		os.Stdout = std
		slog.SetDefault(before)
		log.SetOutput(os.Stderr)
		noCanary(t, logged.String())
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		printed, err := io.ReadAll(file)
		if err != nil || len(printed) > 0 {
			t.Errorf("on stdout: %q, %v", printed, err)
		}
		file.Close()
	})
}

func noCanary(t *testing.T, text string) {
	t.Helper()
	for _, c := range []string{
		canary, url.QueryEscape(canary), base64.StdEncoding.EncodeToString([]byte(canary))[:12],
		"NhTmFyeTdROX",
	} {
		if strings.Contains(text, c) {
			t.Errorf("a credential is in %q", text)
		}
	}
}

// settled waits until no more goroutines run than before.
func settled(t *testing.T, before int) {
	t.Helper()
	tick, end := time.NewTicker(5*time.Millisecond), time.After(30*time.Second)
	defer tick.Stop()
	for runtime.NumGoroutine() > before {
		select {
		case <-tick.C:
		case <-end:
			var stacks bytes.Buffer
			buf := make([]byte, 1<<20)
			stacks.Write(buf[:runtime.Stack(buf, true)])
			t.Fatalf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, stacks.String())
		}
	}
}

// hijack takes over the connection of a request.
func hijack(w http.ResponseWriter, then func(net.Conn)) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	then(conn)
	conn.Close()
}

func reset(conn net.Conn) {
	if err := conn.(*net.TCPConn).SetLinger(0); err != nil {
		panic(err)
	}
}

// troubles are what can go wrong with an HTTP service, with what must become
// of a message.
var troubles = []struct {
	name   string
	answer http.HandlerFunc // nil: nobody listens
	want   rules.Outcome
}{
	{"refused", nil, rules.Outcome{State: rules.Owed, Class: "refused"}},
	{"hangs", func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
	}, rules.Outcome{State: rules.Owed, Unknown: true, Class: "timeout"}},
	{"hangs in the body", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, `{"ok":true`)
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}, rules.Outcome{State: rules.Owed, Unknown: true, Class: "timeout", Code: 200}},
	{"reset after the request", func(w http.ResponseWriter, _ *http.Request) {
		hijack(w, reset)
	}, rules.Outcome{State: rules.Owed, Unknown: true, Class: "server"}},
	{"reset in the body", func(w http.ResponseWriter, _ *http.Request) {
		hijack(w, func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"ok\":true")
		})
	}, rules.Outcome{State: rules.Owed, Unknown: true, Class: "server", Code: 200}},
	{"not HTTP at all", func(w http.ResponseWriter, _ *http.Request) {
		hijack(w, func(c net.Conn) { io.WriteString(c, "220 mail.example ESMTP\r\n") })
	}, rules.Outcome{State: rules.Owed, Unknown: true, Class: "server"}},
	{"429", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(429)
	}, rules.Outcome{State: rules.Owed, Class: "rate_limited", Code: 429, Retry: 7 * time.Second}},
	{"400", says(400, canary), rules.Outcome{State: rules.Dead, Class: "rejected", Code: 400}},
	{"401", says(401, canary), rules.Outcome{State: rules.Dead, Class: "auth", Code: 401}},
	{"403", says(403, canary), rules.Outcome{State: rules.Dead, Class: "auth", Code: 403}},
	{"404", says(404, canary), rules.Outcome{State: rules.Dead, Class: "rejected", Code: 404}},
	{"500 with a page", says(500, "<html>"+canary), rules.Outcome{State: rules.Owed, Class: "server", Code: 500}},
	{"503 with a date", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", "Sun, 01 Mar 1970 12:00:00 GMT")
		w.Header().Set("Retry-After", "Sun, 01 Mar 1970 12:01:30 GMT")
		w.WriteHeader(503)
	}, rules.Outcome{State: rules.Owed, Class: "server", Code: 503, Retry: 90 * time.Second}},
	{"302 to itself", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.String(), http.StatusFound)
	}, rules.Outcome{State: rules.Dead, Class: "moved", Code: 302}},
	{"307 elsewhere", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://evil.example/"+canary, http.StatusTemporaryRedirect)
	}, rules.Outcome{State: rules.Dead, Class: "moved", Code: 307}},
	{"302 to what cannot be read", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "http://[sso.lan/"+canary)
		w.WriteHeader(302)
	}, rules.Outcome{State: rules.Dead, Class: "moved", Code: 302}},
	{"200 of 10 MB", func(w http.ResponseWriter, _ *http.Request) {
		flood(w)
	}, rules.Outcome{State: rules.Owed, Unknown: true, Class: "server", Code: 200}},
	{"500 of 10 MB", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(500)
		flood(w)
	}, rules.Outcome{State: rules.Owed, Class: "server", Code: 500}},
}

type forever struct{}

func (forever) Read(p []byte) (int, error) {
	return copy(p, bytes.Repeat([]byte(canary), len(p)/10+1)), nil
}

// flood writes 10 MB, and panics if somebody wants all of it.
func flood(w io.Writer) {
	if _, err := io.Copy(w, io.LimitReader(forever{}, 10<<20)); err == nil {
		panic("10 MB were read")
	}
}

func TestTrouble(t *testing.T) {
	for _, trouble := range troubles {
		t.Run(trouble.name, func(t *testing.T) {
			quiet(t)
			address := "http://127.0.0.1:1"
			var in *inbox
			if trouble.answer != nil {
				in = newInbox(t, trouble.answer)
				address = in.URL
			}
			to, err := url.Parse(address)
			if err != nil {
				t.Fatal(err)
			}
			carrier := &carrier{RoundTripper: astray{to, &http.Transport{DisableKeepAlives: true}}}
			s := shoutrrr.New(shoutrrr.Options{Timeout: time.Minute, Transport: carrier})
			before := runtime.NumGoroutine()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			if trouble.want.Class == "timeout" {
				go cancelWhen(cancel, func() bool {
					return len(in.got()) == len(channels) && (trouble.want.Code == 0 || int(carrier.answers.Load()) == len(channels))
				})
			}
			sendAll(ctx, t, s, trouble.name, trouble.want)
			if in != nil {
				if n := len(in.got()); n != len(channels) {
					t.Errorf("%d requests for %d messages", n, len(channels))
				}
			}
			settled(t, before) // the server's too: its clients have hung up
		})
	}
}

// carrier counts the answers that have begun to come.
type carrier struct {
	http.RoundTripper
	answers atomic.Int32
}

func (c *carrier) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := c.RoundTripper.RoundTrip(req)
	c.answers.Add(1)
	return resp, err
}

// cancelWhen ends what hangs once it is seen to, in place of a timeout that
// would be too short on a busy machine.
func cancelWhen(cancel context.CancelFunc, hangs func() bool) {
	defer cancel()
	tick, end := time.NewTicker(5*time.Millisecond), time.After(time.Minute)
	defer tick.Stop()
	for !hangs() {
		select {
		case <-tick.C:
		case <-end:
			return
		}
	}
}

// sendAll sends a message through every channel, which must all fare the same.
func sendAll(ctx context.Context, t *testing.T, s *shoutrrr.Sender, name string, want rules.Outcome) {
	t.Helper()
	var all sync.WaitGroup
	for _, c := range channels {
		want := want
		if name == "200 of 10 MB" && c.kind == "generic" {
			want = rules.Outcome{State: rules.Sent, Code: 200} // whoever it is may answer as he likes
		}
		if hook := strings.HasPrefix(c.name, "slack webhook") || strings.HasPrefix(c.name, "slack pasted") ||
			strings.HasPrefix(c.name, "teams"); name == "404" && hook {
			want.Class = "gone"
		}
		if name == "429" && c.kind == "pushover" {
			want.Class = "quota" // it has no other limit
		}
		all.Go(func() {
			out := s.Send(ctx, notify.Channel{Name: c.name, URL: rules.NewSecret(c.url)}, ordinary())
			if out != want {
				t.Errorf("%s: outcome = %+v, want %+v", c.name, out, want)
			}
			noCanary(t, fmt.Sprintf("%+v", out))
		})
	}
	all.Wait()
}

// TestTroubleWithTLS is a certificate that is another host's, and no TLS where
// it should be, for every service.
func TestTroubleWithTLS(t *testing.T) {
	secure := httptest.NewUnstartedServer(says(200, canary))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	_, port, _ := net.SplitHostPort(secure.Listener.Addr().String())
	for name, tt := range map[string][2]string{
		"another host's certificate": {"https://localhost:" + port, "tls_name"},
		"no TLS at all":              {strings.Replace(newInbox(t, says(200, canary)).URL, "http://", "https://", 1), "tls"},
	} {
		t.Run(name, func(t *testing.T) {
			quiet(t)
			s := toward(t, tt[0], time.Minute)
			before := runtime.NumGoroutine()
			sendAll(context.Background(), t, s, name, rules.Outcome{State: rules.Owed, Class: tt[1]})
			settled(t, before)
		})
	}
}

// awkward is a credential with everything in it that a URL escapes.
const awkward = "ca/N+a=r&y%7Q #9@x?é"

// TestAwkwardCredentialsShowNowhere: whatever a service's form takes, nothing of
// it, nor of what it is escaped or encoded to, is in an outcome, an error or a
// log, whatever goes wrong.
func TestAwkwardCredentialsShowNowhere(t *testing.T) {
	traces := []string{
		awkward, "a=r&y%7Q", url.QueryEscape(awkward), url.PathEscape(awkward),
		url.UserPassword("", awkward).String(),
	}
	for shift := range 3 { // base64 has three ways to write it, by what stands before
		text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat(":", shift) + awkward))
		traces = append(traces, text[4:16], strings.NewReplacer("+", "-", "/", "_").Replace(text[4:16]))
	}
	clean := func(t *testing.T, text string) {
		t.Helper()
		for _, trace := range traces {
			if strings.Contains(text, trace) {
				t.Errorf("%q is in %q", trace, text)
			}
		}
	}
	for _, trouble := range []struct {
		name   string
		answer http.HandlerFunc
	}{
		{"refused", nil},
		{"401 with an echo", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", r.URL.String())
			w.WriteHeader(401)
			fmt.Fprint(w, r.URL, r.Header)
		}},
		{"302 with an echo", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.String()+"x", http.StatusFound)
		}},
		{"reset", func(w http.ResponseWriter, _ *http.Request) { hijack(w, reset) }},
	} {
		t.Run(trouble.name, func(t *testing.T) {
			var logged bytes.Buffer
			before := slog.Default()
			slog.SetDefault(slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug})))
			t.Cleanup(func() { slog.SetDefault(before); clean(t, logged.String()) })
			address := "http://127.0.0.1:1"
			if trouble.answer != nil {
				address = newInbox(t, trouble.answer).URL
			}
			s, sent := toward(t, address, time.Minute), 0
			for _, form := range s.Forms() {
				fields := map[string]rules.Secret{}
				for _, f := range form.Fields {
					fields[f.Name] = rules.NewSecret(f.Example)
					if f.Secret && f.Name != "webhook" {
						fields[f.Name] = rules.NewSecret(awkward)
					} else if f.Name == "webhook" {
						fields[f.Name] = rules.NewSecret("https://u:" + url.QueryEscape(awkward) + "@hooks.example/" +
							url.PathEscape(awkward) + "?k=" + url.QueryEscape(awkward))
					}
				}
				credential, err := s.Build(form.Kind, fields)
				if err != nil {
					clean(t, err.Error())
					continue
				}
				sent++
				clean(t, fmt.Sprintf("%+v %v",
					s.Send(context.Background(), notify.Channel{Name: "ops", URL: credential}, ordinary()), credential))
			}
			if sent < 6 {
				t.Errorf("only %d services took the credential", sent)
			}
		})
	}
}

// TestNeverFalselySent answers 200 with something that the service would never
// say of a message it took.
func TestNeverFalselySent(t *testing.T) {
	page := says(200, "<!DOCTYPE html><html>Welcome to the hotel's network</html>")
	for _, c := range channels {
		if c.kind == "generic" {
			continue // whoever it is may answer as he likes
		}
		t.Run(c.name, func(t *testing.T) {
			s := toward(t, newInbox(t, page).URL, time.Minute)
			if out := s.Send(context.Background(), channel(c.url), ordinary()); out.State != rules.Owed ||
				out.Class != "server" {
				t.Errorf("outcome = %+v, want owed", out)
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	bot, telegram := "slack://xoxb:1-2-"+canary+"@C0", "telegram://1:"+canary+"@telegram?chats=5"
	matrix := "matrix://:" + canary + "@h/?rooms=!a:h"
	for _, tt := range []struct {
		name, url, body string
		status          int
		want            rules.Outcome
	}{
		{
			"Slack's bot is limited", bot, `{"ok":false,"error":"ratelimited"}`, 200,
			rules.Outcome{State: rules.Owed, Class: "rate_limited", Code: 200},
		},
		{
			"Slack's bot is revoked", bot, `{"ok":false,"error":"token_revoked"}`, 200,
			rules.Outcome{State: rules.Dead, Class: "auth", Code: 200},
		},
		{
			"Slack has no such channel", bot, `{"ok":false,"error":"channel_not_found"}`, 200,
			rules.Outcome{State: rules.Dead, Class: "no_chat", Code: 200},
		},
		{
			"Slack is ill", bot, `{"ok":false,"error":"internal_error"}`, 200,
			rules.Outcome{State: rules.Owed, Class: "server", Code: 200},
		},
		{
			"Telegram says how long", telegram, `{"ok":false,"error_code":429,"parameters":{"retry_after":33}}`, 429,
			rules.Outcome{State: rules.Owed, Class: "rate_limited", Code: 429, Retry: 33 * time.Second},
		},
		{
			"Telegram's gateway is ill", telegram, `<html>502</html>`, 502,
			rules.Outcome{State: rules.Owed, Class: "server", Code: 502},
		},
		{
			"Discord says how long, in parts of a second", "discord://" + canary + "@1", `{"retry_after":0.5,"global":false}`,
			429,
			rules.Outcome{State: rules.Owed, Class: "rate_limited", Code: 429, Retry: 500 * time.Millisecond},
		},
		{
			"Matrix says how long", matrix, `{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":2000}`, 429,
			rules.Outcome{State: rules.Owed, Class: "rate_limited", Code: 429, Retry: 2 * time.Second},
		},
		{"Matrix made no event", matrix, `{}`, 200, rules.Outcome{State: rules.Owed, Class: "server", Code: 200}},
		{
			"Pushover refuses", "pushover://x:" + canary + "@u/", `{"status":0,"errors":["x"]}`, 200,
			rules.Outcome{State: rules.Dead, Class: "rejected", Code: 200},
		},
		{
			"Bark refuses", "bark://:" + canary + "@h/", `{"code":400}`, 200,
			rules.Outcome{State: rules.Dead, Class: "rejected", Code: 200},
		},
		{
			"nobody waits for a year", telegram, `{"parameters":{"retry_after":1e300}}`, 429,
			rules.Outcome{State: rules.Owed, Class: "rate_limited", Code: 429, Retry: 24 * time.Hour},
		},
		{
			"an answer too long to be read is not trusted", telegram, `{"ok":true,"x":"` + strings.Repeat("x", 100<<10) + `"}`,
			200,
			rules.Outcome{State: rules.Owed, Unknown: true, Class: "server", Code: 200},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := toward(t, newInbox(t, says(tt.status, tt.body)).URL, time.Minute)
			if out := s.Send(context.Background(), channel(tt.url), ordinary()); out != tt.want {
				t.Errorf("outcome = %+v, want %+v", out, tt.want)
			}
		})
	}
}

// TestAChannelTrustsWhomItIsTold: the files are read when a message goes.
func TestAChannelTrustsWhomItIsTold(t *testing.T) {
	quiet(t)
	secure := httptest.NewUnstartedServer(says(200, "{}"))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	_, port, _ := net.SplitHostPort(secure.Listener.Addr().String())
	for _, tt := range []struct {
		trust rules.Trust
		want  rules.Outcome
	}{
		{rules.Trust{}, rules.Outcome{State: rules.Owed, Class: "tls_name"}},
		{rules.Trust{InsecureSkipVerify: true}, rules.Outcome{State: rules.Sent, Code: 200}},
		{rules.Trust{CAFile: "/no/such/file"}, rules.Outcome{State: rules.Owed, Class: "tls_files"}},
		{
			rules.Trust{Proxy: rules.NewSecret("http://127.0.0.1:1")}, rules.Outcome{State: rules.Owed, Class: "refused"},
		},
	} {
		c := channel("ntfy://localhost:" + port + "/" + canary)
		c.Trust = tt.trust
		if out := shoutrrr.New(options()).Send(context.Background(), c, ordinary()); out != tt.want {
			t.Errorf("%+v: outcome = %+v, want %+v", tt.trust, out, tt.want)
		}
	}
}

// TestAGroupThatBecameASupergroupIsFollowed: the message goes to its new number at
// once, and so do the next ones, in their topic.
func TestAGroupThatBecameASupergroupIsFollowed(t *testing.T) {
	in := newInbox(t, nil)
	in.next = func(w http.ResponseWriter, _ *http.Request) {
		if strings.Contains(in.last().body, `"chat_id":"-123"`) {
			w.WriteHeader(400)
			_, _ = io.WriteString(w, `{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded to a `+
				`supergroup chat","parameters":{"migrate_to_chat_id":-1001234567890}}`)
			return
		}
		_, _ = io.WriteString(w, `{"ok":true}`)
	}
	s, c := toward(t, in.URL, time.Minute), channel("telegram://1:"+canary+"@telegram?chats=-123:45")
	moved := rules.Move{From: "-123:45", To: "-1001234567890"}
	for i, want := range []rules.Outcome{
		{State: rules.Sent, Code: 200, Moved: moved}, {State: rules.Sent, Code: 200},
	} {
		if out := s.Send(t.Context(), c, ordinary()); out != want {
			t.Errorf("message %d: outcome = %+v, want %+v", i, out, want)
		}
		if body := in.last().body; !strings.Contains(body, `"chat_id":"-1001234567890"`) ||
			!strings.Contains(body, `"message_thread_id":45`) {
			t.Errorf("message %d went as %s", i, body)
		}
	}
	if n := in.count(); n != 3 {
		t.Errorf("%d requests, want 3", n)
	}
	c.Moved = map[string]string{moved.From: moved.To} // as another process kept it
	if out := toward(t, in.URL, time.Minute).Send(t.Context(), c, ordinary()); out.State != rules.Sent || in.count() != 4 {
		t.Errorf("kept: %+v, %d requests", out, in.count())
	}
}

// TestAHookThatIsGoneSaysSo, and one that has moved.
func TestAHookThatIsGoneSaysSo(t *testing.T) {
	for _, address := range []string{
		"slack://hook:T0-B0-" + canary + "@webhook",
		"https://prod-1.westeurope.logic.azure.com/workflows/" + canary + "?sig=x",
	} {
		for status, class := range map[int]string{404: "gone", 410: "gone", 301: "moved", 308: "moved", 400: "rejected"} {
			s := toward(t, newInbox(t, says(status, "no_service")).URL, time.Minute)
			want := rules.Outcome{State: rules.Dead, Class: class, Code: status}
			if out := s.Send(t.Context(), channel(address), ordinary()); out != want {
				t.Errorf("%d: outcome = %+v, want %+v", status, out, want)
			}
		}
	}
}

func TestTLS(t *testing.T) {
	secure := httptest.NewUnstartedServer(says(200, "{}"))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	open := newInbox(t, says(200, "{}"))
	_, port, _ := net.SplitHostPort(secure.Listener.Addr().String())
	_, openPort, _ := net.SplitHostPort(open.Listener.Addr().String())
	for _, tt := range []struct {
		name, host string
		want       rules.Outcome
	}{
		{"a good certificate", "127.0.0.1:" + port, rules.Outcome{State: rules.Sent, Code: 200}},
		{"a certificate of another host", "localhost:" + port, rules.Outcome{State: rules.Owed, Class: "tls_name"}},
		{"no TLS at all", "127.0.0.1:" + openPort, rules.Outcome{State: rules.Owed, Class: "tls"}},
		{"a name that does not exist", "no.such.invalid", rules.Outcome{State: rules.Owed, Class: "refused"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			quiet(t)
			s := shoutrrr.New(options())
			for _, address := range []string{
				"ntfy://" + tt.host + "/" + canary, "gotify://" + tt.host + "/" + canary, "https://" + tt.host + "/" + canary,
				"teams+https://" + tt.host + "/" + canary, "mattermost://" + tt.host + "/" + canary,
			} {
				if out := s.Send(context.Background(), channel(address), ordinary()); out != tt.want {
					t.Errorf("outcome = %+v, want %+v", out, tt.want)
				}
			}
		})
	}
}

type panics struct{}

func (panics) RoundTrip(*http.Request) (*http.Response, error) { panic("boom " + canary) }

func TestNeverPanics(t *testing.T) {
	quiet(t)
	s := shoutrrr.New(shoutrrr.Options{Transport: panics{}})
	for _, c := range channels {
		if out := s.Send(context.Background(), channel(c.url), ordinary()); out.State != rules.Dead || out.Class != "panic" {
			t.Errorf("%s: outcome = %+v", c.name, out)
		}
	}
	for _, bad := range []string{"", "x", "opsgenie://host", "matrix://h?rooms=", "teams://g@t/x", "logger://"} {
		if out := s.Send(context.Background(), channel(bad), ordinary()); out.State != rules.Dead || out.Class != "invalid" {
			t.Errorf("%q: outcome = %+v", bad, out)
		}
	}
}

func TestEndsWithItsContext(t *testing.T) {
	arrived := make(chan struct{}, 1)
	in := newInbox(t, func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	s := toward(t, in.URL, time.Minute)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan rules.Outcome)
	go func() { ended <- s.Send(ctx, channel("ntfy://h/t"), ordinary()) }()
	<-arrived
	cancel()
	if out := <-ended; !out.Unknown || out.Class != "timeout" {
		t.Errorf("outcome = %+v", out)
	}
	if out := s.Send(ctx, channel("ntfy://h/t"), ordinary()); out.State != rules.Owed {
		t.Errorf("after the end: outcome = %+v", out)
	}
}

// TestServicesHaveSlotsOfTheirOwn: who waits, waits for others of the same
// service, and not for the time that a slow one may take.
func TestServicesHaveSlotsOfTheirOwn(t *testing.T) {
	arrived, goOn := make(chan struct{}), make(chan struct{})
	in := newInbox(t, func(_ http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.Header.Get("X-Meant-For"), "slow.example") {
			arrived <- struct{}{}
			<-goOn
		}
	})
	to, err := url.Parse(in.URL)
	if err != nil {
		t.Fatal(err)
	}
	s := shoutrrr.New(shoutrrr.Options{
		MaxInFlight: 1, Timeout: time.Minute,
		Transport: astray{to, &http.Transport{DisableKeepAlives: true}},
	})
	slow := make(chan rules.Outcome)
	send := func() { slow <- s.Send(context.Background(), channel("https://slow.example/t"), ordinary()) }
	go send()
	<-arrived
	wantSent(t, s.Send(context.Background(), channel("https://quick.example/t"), ordinary()))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if out := s.Send(ctx, channel("https://slow.example/t"), ordinary()); out.State != rules.Owed || out.Unknown {
		t.Errorf("without a slot: outcome = %+v", out)
	}
	go send()
	goOn <- struct{}{}
	<-arrived
	goOn <- struct{}{}
	wantSent(t, <-slow)
	wantSent(t, <-slow)
}

// TestAChannelsTimeoutIsForAnAnswer: one that comes late, and within it, settles
// the try.
func TestAChannelsTimeoutIsForAnAnswer(t *testing.T) {
	answer := make(chan struct{})
	in := newInbox(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-answer:
		case <-r.Context().Done():
		}
	})
	s := toward(t, in.URL, time.Nanosecond)
	patient, hasty := channel("https://h/t"), channel("https://h/t")
	patient.Timeout, hasty.Timeout = time.Minute, 50*time.Millisecond
	if out := s.Send(context.Background(), hasty, ordinary()); out.State != rules.Owed || out.Class != "timeout" {
		t.Errorf("outcome = %+v", out)
	}
	close(answer)
	wantSent(t, s.Send(context.Background(), patient, ordinary()))
}
