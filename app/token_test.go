package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
	"github.com/9bikes/tocsin/rules/sqlite"
)

// counted is a store that counts what it is asked about tokens.
type counted struct {
	app.Store
	lists, uses int
}

var _ app.Store = (*counted)(nil)

func (c *counted) Tokens(ctx context.Context) ([]app.Token, error) {
	c.lists++
	return c.Store.Tokens(ctx)
}

func (c *counted) UseToken(ctx context.Context, id string, at time.Time) error {
	c.uses++
	return c.Store.UseToken(ctx, id, at)
}

// gate is an App on a database, with a clock that a test sets.
type gate struct {
	*testing.T
	*app.App
	store    *counted
	now      time.Time
	database string
}

var newYear = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func newGate(t *testing.T) *gate {
	t.Helper()
	g := &gate{T: t, now: newYear, database: filepath.Join(t.TempDir(), "tocsin.db")}
	g.store = &counted{Store: g.open(sqlite.Options{Migrate: true})}
	g.App = app.New(app.App{Config: &app.Config{}, Store: g.store, Now: func() time.Time { return g.now }})
	return g
}

// open opens the database as another process does.
func (g *gate) open(o sqlite.Options) *sqlite.Store {
	g.Helper()
	s, err := sqlite.Open(g.Context(), g.database, o)
	if err != nil {
		g.Fatal(err)
	}
	g.Cleanup(func() {
		if err := s.Close(); err != nil {
			g.Error(err)
		}
	})
	return s
}

var ann = rules.Actor{Name: "ann", Door: "cli"}

func (g *gate) add(name string, scope app.Scope, expires time.Time) rules.Secret {
	g.Helper()
	_, secret, err := g.AddToken(g.Context(), ann, app.TokenRequest{Name: name, Scope: scope, Expires: expires})
	if err != nil {
		g.Fatal(err)
	}
	return secret
}

func TestATokenIsMade(t *testing.T) {
	g := newGate(t)
	one, other := g.add("laptop", app.ScopeWrite, newYear.Add(time.Hour)), g.add("phone", app.ScopeRead, time.Time{})
	// 26 letters of 5 bits are 130.
	if form := regexp.MustCompile(`^tcs_[a-z2-7]{26}$`); !form.MatchString(one.Reveal()) ||
		one.Reveal() == other.Reveal() {
		t.Errorf("the tokens have a wrong form, or are the same")
	}
	list, err := g.ListTokens(t.Context())
	if err != nil || len(list) != 2 {
		t.Fatalf("%d tokens, %v", len(list), err)
	}
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"name":"laptop","scope":"write","by":{"name":"ann","door":"cli"},"created_at":"2026-01-01T12:00:00Z","expires_at":"2026-01-01T13:00:00Z"},` +
		`{"name":"phone","scope":"read","by":{"name":"ann","door":"cli"},"created_at":"2026-01-01T12:00:00Z"}]`
	if string(text) != want {
		t.Errorf("the list is\n%s, want\n%s", text, want)
	}
	stored, err := g.store.Tokens(t.Context())
	if err != nil || strings.Contains(fmt.Sprintf("%s", stored), strings.TrimPrefix(one.Reveal(), "tcs_")) {
		t.Errorf("the token itself is stored, %v", err)
	}
}

func TestTokensThatAreRefusedWhenTheyAreMade(t *testing.T) {
	g := newGate(t)
	secret := g.add("laptop", app.ScopeWrite, time.Time{})
	for _, tt := range []struct {
		name string
		req  app.TokenRequest
		code rules.Code
		says string
	}{
		{
			"a name that is taken",
			app.TokenRequest{Name: "laptop", Scope: app.ScopeRead},
			rules.Conflict,
			"revoke that one first",
		},
		{"no name", app.TokenRequest{Scope: app.ScopeRead}, rules.Invalid, "for example laptop"},
		{"a name with a space", app.TokenRequest{Name: "my laptop", Scope: app.ScopeRead}, rules.Invalid, "small letters"},
		{
			"the name of those without a token",
			app.TokenRequest{Name: "local", Scope: app.ScopeRead},
			rules.Invalid,
			"choose another name",
		},
		{
			"a token for a name",
			app.TokenRequest{Name: secret.Reveal(), Scope: app.ScopeRead},
			rules.Invalid,
			"looks like a token itself",
		},
		{"no scope", app.TokenRequest{Name: "phone"}, rules.Invalid, "must be points, read, ack, write or admin"},
		{
			"an end that is over",
			app.TokenRequest{Name: "phone", Scope: app.ScopeRead, Expires: newYear},
			rules.Invalid,
			"must be in the future",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := g.AddToken(t.Context(), ann, tt.req)
			if rules.CodeOf(err) != tt.code || !strings.Contains(fmt.Sprint(err), tt.says) ||
				strings.Contains(fmt.Sprint(err), secret.Reveal()) {
				t.Errorf("the error is %v", err)
			}
		})
	}
	if _, err := g.RevokeToken(t.Context(), secret.Reveal()); err == nil ||
		strings.Contains(err.Error(), secret.Reveal()) {
		t.Errorf("revoking by the token itself: the answer repeats it, or there is none")
	}
}

func TestATokenIsKnownAgain(t *testing.T) {
	g := newGate(t)
	secret, short := g.add("laptop", app.ScopeAck, time.Time{}), g.add("short", app.ScopeRead, newYear.Add(time.Hour))
	d := app.NewDoorkeeper(g.App)
	got, err := d.Authenticate(t.Context(), secret)
	if err != nil || got.Name != "laptop" || got.Scope != app.ScopeAck {
		t.Fatalf("Authenticate returned %+v, %v", got, err)
	}
	if got, err := d.Authenticate(t.Context(), short); err != nil || got.Name != "short" {
		t.Fatalf("Authenticate returned %+v, %v", got, err)
	}
	g.now = newYear.Add(time.Hour)
	for name, wrong := range map[string]string{
		"nothing": "", "another": "tcs_aaaaaaaaaaaaaaaaaaaaaaaaaa", "cut short": secret.Reveal()[:29],
		"in capitals":        strings.ToUpper(secret.Reveal()),
		"without its prefix": strings.TrimPrefix(secret.Reveal(), "tcs_"), "over": short.Reveal(),
	} {
		if _, err := d.Authenticate(t.Context(), rules.NewSecret(wrong)); rules.CodeOf(err) != rules.Forbidden ||
			wrong != "" && strings.Contains(err.Error(), wrong) {
			t.Errorf("%s: the error has code %q, or repeats the token", name, rules.CodeOf(err))
		}
	}
}

func TestARevokeCountsAtOnceAndARequestReadsNoTable(t *testing.T) {
	g := newGate(t)
	secret := g.add("laptop", app.ScopeRead, time.Time{})
	d := app.NewDoorkeeper(g.App)
	for range 100 {
		if _, err := d.Authenticate(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
	}
	if g.store.lists != 1 {
		t.Errorf("the tokens were read %d times for 100 requests", g.store.lists)
	}
	other := g.open(sqlite.Options{})
	for range 10 {
		if err := other.PutSilence(t.Context(), rules.Silence{ID: "s", Until: newYear}); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Authenticate(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
	}
	if g.store.lists > 2 {
		t.Errorf("the tokens were read %d times while only other things were written", g.store.lists)
	}
	if err := other.DeleteToken(t.Context(), "laptop"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Authenticate(t.Context(), secret); rules.CodeOf(err) != rules.Forbidden {
		t.Errorf("a token that another process revoked: %v", err)
	}
	again := g.add("laptop", app.ScopeRead, time.Time{})
	if _, err := d.Authenticate(t.Context(), again); err != nil {
		t.Errorf("a token of the same name: %v", err)
	}
	if _, err := g.RevokeToken(t.Context(), "laptop"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Authenticate(t.Context(), again); rules.CodeOf(err) != rules.Forbidden {
		t.Errorf("a token that this process revoked: %v", err)
	}
}

func TestTheFirstUseOfADayIsWritten(t *testing.T) {
	g := newGate(t)
	secret := g.add("laptop", app.ScopeRead, time.Time{})
	use := func(d *app.Doorkeeper, want int) {
		t.Helper()
		token, err := d.Authenticate(t.Context(), secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Used(t.Context(), token); err != nil || g.store.uses != want {
			t.Errorf("at %s: %v, %d uses written, want %d", g.now, err, g.store.uses, want)
		}
	}
	d := app.NewDoorkeeper(g.App)
	use(d, 1)
	g.now = newYear.Add(11 * time.Hour)
	use(d, 1)
	use(app.NewDoorkeeper(g.App), 1) // after a restart
	g.now = newYear.Add(12 * time.Hour)
	use(d, 2)
	g.now = newYear.Add(-100 * time.Hour) // a clock that went back
	use(d, 2)
	list, err := g.ListTokens(t.Context())
	if err != nil || !list[0].UsedAt.Equal(newYear.Add(12*time.Hour)) {
		t.Errorf("last used %+v, %v", list, err)
	}
}
