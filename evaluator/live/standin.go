package live

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// tells is what the store calls itself where InfluxDB tells its version.
const tells = "1.8-tocsin"

// servePing answers as InfluxDB 1 does, which tells its version on request.
func servePing(w http.ResponseWriter, r *http.Request) {
	if verbose := r.URL.Query().Get("verbose"); verbose == "" || verbose == "0" || verbose == "false" {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	answerJSON(w, map[string]string{"version": tells})
}

// databases are the names of databases that writers have made or written to.
type databases struct {
	mu    sync.Mutex
	names []string
}

// mostDatabases is how many names are kept, against a writer that makes them up.
const mostDatabases = 100

func (d *databases) note(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if name != "" && len(name) <= maxName && len(d.names) < mostDatabases && !slices.Contains(d.names, name) {
		d.names = append(d.names, name)
	}
}

func (d *databases) list() [][]any {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := [][]any{}
	for _, name := range d.names {
		out = append(out, []any{name})
	}
	return out
}

// result is the answer to one statement.
type result struct {
	ID     int    `json:"statement_id"`
	Series []rows `json:"series,omitempty"`
	Error  string `json:"error,omitempty"`
}

type rows struct {
	Name    string   `json:"name,omitempty"`
	Columns []string `json:"columns"`
	Values  [][]any  `json:"values,omitempty"`
}

// serveQuery answers what Telegraf, Home Assistant, Node-RED and other writers ask
// before they write: which databases there are, and that there be one. Data is not
// told here.
func (s *Store) serveQuery(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxStatement)
	text := r.FormValue("q")
	if strings.TrimSpace(text) == "" {
		v1.refuse(w, http.StatusBadRequest, `missing required parameter "q"`)
		return
	}
	s.databases.note(r.FormValue("db"))
	out := struct {
		Results []result `json:"results"`
	}{[]result{}}
	for _, statement := range statements(text) {
		one, ok := s.stand(statement)
		if !ok {
			v1.refuse(w, http.StatusBadRequest, "of queries only what writers ask at their start is answered here, such as "+
				"CREATE DATABASE and SHOW DATABASES; ask the alarm's own doors for data")
			return
		}
		one.ID = len(out.Results)
		out.Results = append(out.Results, one)
	}
	answerJSON(w, out)
}

func answerJSON(w http.ResponseWriter, answer any) {
	w.Header().Set("Content-Type", "application/json")
	// Whoever does not read the answer gets none.
	_ = json.NewEncoder(w).Encode(answer)
}

// identifier is one of InfluxQL, in double quotes or plain.
const identifier = `("(?:[^"\\]|\\.)*"|[\pL_][\pL\pN_]*)`

var (
	createDatabase = regexp.MustCompile(`(?is)^CREATE\s+DATABASE\s+` + identifier + `(\s|$)`)
	createPolicy   = regexp.MustCompile(`(?is)^(CREATE|ALTER)\s+RETENTION\s+POLICY\s+` + identifier + `\s+ON\s+` +
		identifier + `(\s|$)`)
	showDatabases = regexp.MustCompile(`(?is)^SHOW\s+DATABASES$`)
	showPolicies  = regexp.MustCompile(`(?is)^SHOW\s+RETENTION\s+POLICIES(\s+ON\s+` + identifier + `)?$`)
	// An older Home Assistant looks so whether it may read; what comes back it
	// does not look at.
	showOne = regexp.MustCompile(`(?is)^SHOW\s+(SERIES|MEASUREMENTS)(\s+ON\s+` + identifier + `)?\s+LIMIT\s+1$`)
)

// stand is the answer to one statement; false where it is none of a writer's.
func (s *Store) stand(statement string) (result, bool) {
	switch {
	case createDatabase.MatchString(statement):
		s.databases.note(bareName(createDatabase.FindStringSubmatch(statement)[1]))
		return result{}, true
	case createPolicy.MatchString(statement), showOne.MatchString(statement):
		return result{}, true
	case showDatabases.MatchString(statement):
		return result{Series: []rows{{Name: "databases", Columns: []string{"name"}, Values: s.databases.list()}}}, true
	case showPolicies.MatchString(statement):
		return result{Series: []rows{{
			Columns: []string{"name", "duration", "shardGroupDuration", "replicaN", "default"},
			Values:  [][]any{{"autogen", "0s", "168h0m0s", 1, true}},
		}}}, true
	}
	return result{}, false
}

// bareName takes the quotes off an identifier.
func bareName(text string) string {
	if inner, quoted := strings.CutPrefix(text, `"`); quoted {
		return strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n").Replace(strings.TrimSuffix(inner, `"`))
	}
	return text
}

// statements cuts a query at the semicolons that stand in no quotes.
func statements(text string) (out []string) {
	begin, quote := 0, byte(0)
	add := func(end int) {
		if one := strings.TrimSpace(text[begin:end]); one != "" {
			out = append(out, one)
		}
		begin = end + 1
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quote != 0 && c == '\\':
			i++
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
		case c == '"' || c == '\'':
			quote = c
		case c == ';':
			add(i)
		}
	}
	add(len(text))
	return out
}
