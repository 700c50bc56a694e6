package influx_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/influx"
	"github.com/9bikes/tocsin/evaluator/sourcetest"
	"github.com/9bikes/tocsin/rules"
)

// refuses demands that a check fails, and says so.
func refuses(t *testing.T, what string, o influx.Options, says ...string) {
	t.Helper()
	c := open(t, o)
	_, err := c.Ping(t.Context())
	for _, part := range says {
		if rules.CodeOf(err) != rules.Unavailable || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v, want %q", what, err, part)
		}
	}
	// What cannot be read is not empty.
	if list, err := c.Measurements(t.Context()); err == nil {
		t.Errorf("%s: measurements = %q", what, list)
	}
}

func TestACheckReadsTheDatabase(t *testing.T) {
	server := sourcetest.Influxd(t)
	server.Do("CREATE USER reader WITH PASSWORD 'r'")
	server.Do("CREATE USER stranger WITH PASSWORD 's'")
	server.Do("GRANT READ ON test TO reader")
	ok := func(o influx.Options) {
		t.Helper()
		c := open(t, o)
		if version, err := c.Ping(t.Context()); err != nil || !strings.HasPrefix(version, "InfluxDB 1.") {
			t.Errorf("ping = %q, %v", version, err)
		}
		if list, err := c.Measurements(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("an empty database has %q, %v", list, err)
		}
	}
	ok(influx.Options{URL: server.URL, Database: "test"})
	ok(influx.Options{URL: server.URL, Database: "test", Retention: "autogen"})
	refuses(t, "a misspelt database", influx.Options{URL: server.URL, Database: "tset"}, `no database "tset"`,
		"set database of the source to test")
	refuses(t, "a misspelt retention policy", influx.Options{URL: server.URL, Database: "test", Retention: "autogenn"},
		`no retention policy "autogenn"`, "set retention of the source to autogen")
	server.Secure("admin", "secret")
	login := func(user, password string) influx.Options {
		return influx.Options{URL: server.URL, Database: "test", Username: user, Password: rules.NewSecret(password)}
	}
	ok(login("reader", "r"))
	refuses(t, "no login", influx.Options{URL: server.URL, Database: "test"}, "wants a login", "token_file")
	refuses(t, "a wrong password", login("reader", "x"), "does not know the username and password")
	refuses(t, "a wrong token", influx.Options{URL: server.URL, Database: "test", Token: rules.NewSecret("reader:x")},
		"does not know the token")
	refuses(t, "a login that may not read", login("stranger", "s"), "does not let this login read", `GRANT READ ON "test"`)
}

// two answers like InfluxDB 2.10: a SHOW about what is not there with nothing.
func two(t *testing.T, databases string, answer func(q string, form func(string) string) string) *httptest.Server {
	return fake(t, "v2.10.0", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		q := r.FormValue("q")
		text := answer(q, r.FormValue)
		switch {
		case text != "":
		case q == "SHOW DATABASES":
			text = `{"results":[{"statement_id":0,"series":[{"name":"databases","columns":["name"],"values":[` + databases + `]}]}]}`
		default:
			text = `{"results":[{"statement_id":0}]}`
		}
		_, _ = io.WriteString(w, text)
	})
}

func TestInfluxDB2DoesNotTellWhatIsMissing(t *testing.T) {
	missing := func(q string, form func(string) string) string {
		if strings.HasPrefix(q, "SELECT") {
			return fmt.Sprintf(`{"results":[{"statement_id":0,"error":"database not found: %s"}]}`, form("db"))
		}
		return ""
	}
	token := rules.NewSecret("t")
	refuses(t, "a misspelt bucket", influx.Options{
		URL:      two(t, `["home"],["telegraf"]`, missing).URL,
		Database: "telegaf", Token: token,
	}, `no database "telegaf"`, "set database of the source to telegraf", "DBRP")
	refuses(t, "a token that reads nothing", influx.Options{
		URL: two(t, "", missing).URL, Database: "telegraf",
		Token: token,
	}, "and no other", "read access")
	refuses(t, "an early one without mapping", influx.Options{
		Database: "telegraf", Token: token,
		URL: fake(t, "2.0.9", func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.FormValue("q"), "SELECT") {
				w.WriteHeader(http.StatusNotFound)
				_, _ = io.WriteString(w, `{"code":"not found","message":"unable to find DBRP"}`)
				return
			}
			_, _ = io.WriteString(w, `{"results":[{"statement_id":0}]}`)
		}).URL,
	}, "DBRP mapping")
	refuses(t, "a policy", influx.Options{
		Database: "home", Retention: "x", Token: token,
		URL: two(t, "", func(q string, _ func(string) string) string {
			switch {
			case strings.HasPrefix(q, "SELECT"):
				return `{"results":[{"statement_id":0,"error":"retention policy not found: x"}]}`
			case strings.HasPrefix(q, "SHOW RETENTION POLICIES"):
				return `{"results":[{"statement_id":0,"series":[{"columns":["name","default"],"values":[["telegraf",false]]}]}]}`
			}
			return ""
		}).URL,
	}, `no retention policy "x"`, "telegraf")
}

// TestABucketWithASlash: InfluxDB 2 maps home/telegraf to the policy telegraf of
// home, and tells the names in it where database and policy are named.
func TestABucketWithASlash(t *testing.T) {
	var asked []string
	server := two(t, `["home"]`, func(q string, form func(string) string) string {
		asked = append(asked, q)
		if form("db") != "home" || form("rp") != "telegraf" {
			return fmt.Sprintf(`{"results":[{"statement_id":0,"error":"database not found: %s"}]}`, form("db"))
		}
		switch q {
		case `SHOW MEASUREMENTS ON "home"."telegraf"`:
			return `{"results":[{"statement_id":0,"series":[{"name":"measurements","columns":["name","database","retention policy"],"values":[["c,u",` +
				`"home","telegraf"]]}]}]}`
		case `SHOW SERIES FROM "telegraf"."c,u"`:
			return `{"results":[{"statement_id":0,"series":[{"columns":["key"],"values":[["c\\,u,host=a\\,b,r\\=m=x"],["c\\,u,host=c\\ d"]]}]}]}`
		}
		return ""
	})
	for _, o := range []influx.Options{{Database: "home/telegraf"}, {Database: "home", Retention: "telegraf"}} {
		o.URL, o.Token = server.URL, rules.NewSecret("t")
		c := open(t, o)
		if _, err := c.Ping(t.Context()); err != nil {
			t.Errorf("%s: %v", o.Database, err)
		}
		names, err1 := c.Measurements(t.Context())
		tags, err2 := c.Tags(t.Context(), "c,u")
		values, err3 := c.TagValues(t.Context(), "c,u", "host", 10)
		one, err4 := c.TagValues(t.Context(), "c,u", "host", 1)
		if got := fmt.Sprintf("%q %q %q %q", names, tags, values, one); got !=
			`["c,u"] ["host" "r=m"] ["a,b" "c d"] ["a,b"]` {
			t.Errorf("%s: %s, %v %v %v %v; asked %q", o.Database, got, err1, err2, err3, err4, asked)
		}
		if err := c.CheckStatement(evaluator.Statement{
			Language: "influxql", Column: "v", Text: `SELECT mean(v) AS v FROM "home"."telegraf"."m" WHERE time > $from AND time <= $to`,
			To: time.Now(), From: time.Now().Add(-time.Hour),
		}); err != nil {
			t.Errorf("%s: its own database: %v", o.Database, err)
		}
	}
}

func TestWhatIsNotInfluxDBIsNamed(t *testing.T) {
	page := func(status int, server, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Server", server)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
		}
	}
	to := func(where string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, where, http.StatusFound) }
	}
	for what, tt := range map[string]struct {
		answer http.HandlerFunc
		says   []string
	}{
		"a redirect to https": {to("https://influx.example/query?p=secret"), []string{
			"sends the query elsewhere, to https://influx.example/query;", "for example https://influx.example\x00",
		}},
		"a login by redirect": {to("/login?next=secret"), []string{"asks for a login at", "InfluxDB's own address"}},
		"a login page": {page(200, "", "<html><title>Log in &amp; go</title></html>"), []string{
			`the page "Log in & go"`, "login page",
		}},
		"a 404 of nginx": {page(404, "nginx/1.22.1", "<html><title>404 Not Found</title></html>"), []string{
			"nginx/1.22.1", "(404 Not Found)", "pass on /query", "check host, port and path",
		}},
		"a 401 of nginx": {page(401, "nginx", "<title>401 Authorization Required</title>"), []string{
			"proxy before InfluxDB wants another login",
		}},
		"a 502 of nginx":  {page(502, "nginx", "<title>502 Bad Gateway</title>"), []string{"nginx", "502 Bad Gateway"}},
		"a proxy's login": {says(407, ""), []string{"the proxy before InfluxDB"}},
		"grafana":         {says(404, `{"message":"Not found","traceID":""}`), []string{"not InfluxDB", "404 Not Found"}},
		"some other API":  {says(200, `{"status":"ok"}`), []string{"is not InfluxDB"}},
		"some text":       {says(200, `hello`), []string{"JSON"}},
	} {
		server := httptest.NewServer(tt.answer)
		defer server.Close()
		for i, part := range tt.says {
			tt.says[i] = strings.TrimSuffix(part, "\x00")
		}
		o := influx.Options{URL: server.URL, Database: "db", Token: rules.NewSecret("t")}
		refuses(t, what, o, tt.says...)
		if _, err := open(t, o).Ping(t.Context()); strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error shows what a redirect said: %v", what, err)
		}
	}
}
