package app

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// TokenPrefix begins every token that tocsin makes, so that people and
// scanners of leaked credentials know one when they see it.
const TokenPrefix = "tcs_"

// Token lets whoever sends it in at the daemon's listener, within its scope.
// The token itself is shown once and kept nowhere. Its SHA-256 is enough to
// know it again and does not give it away: the token is 130 random bits, which
// nobody can try out, so a slow hash as for passwords would add nothing.
type Token struct {
	ID        string      `json:"-"`
	Name      string      `json:"name"`
	Sum       []byte      `json:"-"` // SHA-256
	Scope     Scope       `json:"scope"`
	By        rules.Actor `json:"by"`
	CreatedAt time.Time   `json:"created_at"`
	ExpiresAt time.Time   `json:"expires_at,omitzero"` // zero for never
	// UsedAt is the first use of the last day, in UTC, on which it was used;
	// zero for never.
	UsedAt time.Time `json:"last_used,omitzero"`
}

// Expired reports whether the token's time is over.
func (t Token) Expired(now time.Time) bool { return !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt) }

// TokenRequest is a token to be made.
type TokenRequest struct {
	Name    string
	Scope   Scope
	Expires time.Time // zero for never
}

// AddToken makes a token and returns it beside what is stored of it. It cannot
// be shown again.
func (a *App) AddToken(ctx context.Context, by rules.Actor, req TokenRequest) (Token, rules.Secret, error) {
	if err := checkTokenName(req.Name); err != nil {
		return Token{}, rules.Secret{}, err
	}
	scope, err := ParseScope(string(req.Scope))
	if err != nil {
		return Token{}, rules.Secret{}, err
	}
	if !req.Expires.IsZero() && !req.Expires.After(a.Time()) {
		return Token{}, rules.Secret{}, rules.FieldErrorf("expires", "must be in the future; for example 90d")
	}
	secret := TokenPrefix + strings.ToLower(rand.Text())
	sum := sha256.Sum256([]byte(secret))
	t := Token{
		ID: NewID("t"), Name: req.Name, Sum: sum[:], Scope: scope, By: by,
		CreatedAt: a.Time().Truncate(time.Millisecond), ExpiresAt: req.Expires.Truncate(time.Millisecond), // as it is stored
	}
	if err := a.Store.PutToken(ctx, t); err != nil {
		return Token{}, rules.Secret{}, err
	}
	return t, rules.NewSecret(secret), nil
}

func checkTokenName(name string) error {
	switch {
	case strings.HasPrefix(name, TokenPrefix):
		return rules.WithHint(rules.FieldErrorf("name", "looks like a token itself; give the name"), rules.SeeTokens, "")
	case name == "local":
		return rules.FieldErrorf("name",
			"local is what those are called who come from this machine without a token; choose another name")
	case !ValidName(name):
		return rules.FieldErrorf("name", "must be small letters, digits, _ . and -, at most 63; got %q; for example laptop",
			name)
	}
	return nil
}

// ListTokens lists the tokens by name, expired ones too.
func (a *App) ListTokens(ctx context.Context) ([]Token, error) {
	list, err := a.Store.Tokens(ctx)
	return append([]Token{}, list...), err
}

// RevokeToken ends a token at once, in every process, and returns what was
// stored of it.
func (a *App) RevokeToken(ctx context.Context, name string) (Token, error) {
	if strings.HasPrefix(name, TokenPrefix) {
		return Token{}, checkTokenName(name)
	}
	list, err := a.Store.Tokens(ctx)
	if err != nil {
		return Token{}, err
	}
	if err := a.Store.DeleteToken(ctx, name); err != nil {
		return Token{}, err
	}
	if i := slices.IndexFunc(list, func(t Token) bool { return t.Name == name }); i >= 0 {
		return list[i], nil
	}
	return Token{Name: name}, nil
}

// Doorkeeper knows tokens again. It keeps them in memory, and notices when one
// is added or revoked, by whatever process.
type Doorkeeper struct {
	store TokenStore
	now   func() time.Time

	mu       sync.Mutex
	known    []Token // never changed, only replaced
	revision int64   // of the store when known was read
	read     bool
	noted    map[string]time.Time // the last use that was noted, by id
}

// NewDoorkeeper returns one for the tokens of an App.
func NewDoorkeeper(a *App) *Doorkeeper {
	return &Doorkeeper{store: a.Store, now: a.Time, noted: map[string]time.Time{}}
}

// Authenticate returns the token that a secret is; rules.Forbidden when it is
// none, or none any more, and rules.Unavailable when that cannot be found out
// now. As long as no token is added or revoked it reads no table.
func (d *Doorkeeper) Authenticate(ctx context.Context, secret rules.Secret) (Token, error) {
	list, err := d.tokens(ctx)
	if err != nil {
		return Token{}, rules.WithHint(rules.Errorf(rules.Unavailable,
			"the tokens cannot be read now, so nobody is known"), rules.Diagnose, "")
	}
	// Every token is compared, and in constant time, so that the time tells
	// nothing about any of them.
	sum, found := sha256.Sum256([]byte(secret.Reveal())), -1
	for i := range list {
		if subtle.ConstantTimeCompare(sum[:], list[i].Sum) == 1 {
			found = i
		}
	}
	if found < 0 {
		return Token{}, rules.WithHint(rules.Errorf(rules.Forbidden,
			"this token is not known: it was revoked, or is not complete"), rules.AddToken, "")
	}
	if t := list[found]; t.Expired(d.now()) {
		return Token{}, rules.WithHint(rules.Errorf(rules.Forbidden, "token %s expired on %s", t.Name,
			t.ExpiresAt.UTC().Format(time.DateOnly)), rules.RenewToken, t.Name)
	}
	return list[found], nil
}

// Any reports whether there is a token at all. An error means that this was
// never known.
func (d *Doorkeeper) Any(ctx context.Context) (bool, error) {
	list, err := d.tokens(ctx)
	return len(list) > 0, err
}

// tokens returns all as they are stored now. When the store does not answer,
// those it had before are returned: who could revoke one cannot either.
func (d *Doorkeeper) tokens(ctx context.Context) ([]Token, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	revision, err := d.store.TokenRevision(ctx)
	if err == nil && d.read && revision == d.revision {
		return d.known, nil
	}
	var list []Token
	if err == nil {
		list, err = d.store.Tokens(ctx)
	}
	switch {
	case err == nil:
		d.known, d.revision, d.read = list, revision, true
	case !d.read:
		return nil, err
	}
	return d.known, nil
}

// Used notes that a token was used. Only the first use of a day is written,
// and tried once, so that a poller does not wear out a memory card.
func (d *Doorkeeper) Used(ctx context.Context, t Token) error {
	now := d.now()
	if !d.firstUse(t, now) {
		return nil
	}
	return d.store.UseToken(ctx, t.ID, now)
}

func (d *Doorkeeper) firstUse(t Token, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	last, ok := d.noted[t.ID]
	if !ok {
		last = t.UsedAt
	}
	if !last.Before(now.UTC().Truncate(24 * time.Hour)) {
		return false
	}
	d.noted[t.ID] = now
	return true
}
