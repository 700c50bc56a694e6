package storetest

import (
	"reflect"
	"testing"
	"time"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
)

var tokenTests = []clause{
	{"every field of a token survives", func(t *testing.T, open func() app.Store) {
		s := open()
		var want app.Token
		fill(&want)
		want.Sum = []byte{0, 255, 1, 'x'}
		put(t, s.PutToken(t.Context(), want))
		got, err := open().Tokens(t.Context())
		if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], want) {
			t.Errorf("Tokens returned %+v, %v; want %+v", got, err, want)
		}
	}},
	{"a token may have no end and no use", func(t *testing.T, open func() app.Store) {
		s := open()
		want := token("laptop")
		put(t, s.PutToken(t.Context(), want))
		got, err := s.Tokens(t.Context())
		if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], want) {
			t.Errorf("Tokens returned %+v, %v; want %+v", got, err, want)
		}
	}},
	{"tokens are listed by name and their names are taken once", testTokens},
	{"the use of a token is noted, and that of one that is gone is not", func(t *testing.T, open func() app.Store) {
		s := open()
		put(t, s.PutToken(t.Context(), token("laptop")))
		put(t, s.UseToken(t.Context(), "id-laptop", noon.Add(time.Hour)))
		put(t, s.UseToken(t.Context(), "id-gone", noon))
		got, err := s.Tokens(t.Context())
		if err != nil || len(got) != 1 || !got[0].UsedAt.Equal(noon.Add(time.Hour)) {
			t.Errorf("Tokens returned %+v, %v", got, err)
		}
	}},
	{"the revision of the tokens moves with every change, here and elsewhere", testTokenRevision},
	{"a look at the tokens' revision hides nothing from Moved", func(t *testing.T, open func() app.Store) {
		daemon, other := open(), open()
		save(t, other, firing(simple("r"), noon))
		put(t, other.PutChannel(t.Context(), channel("phone")))
		revision(t, daemon)
		m, err := daemon.Moved(t.Context())
		if err != nil || len(m.Ledgers) != 1 || !m.Channels {
			t.Errorf("Moved returned %+v, %v", m, err)
		}
	}},
	{"a closed store knows no token", func(t *testing.T, open func() app.Store) {
		s := open()
		put(t, s.Close())
		if _, err := s.TokenRevision(t.Context()); err == nil {
			t.Error("TokenRevision works")
		}
		if _, err := s.Tokens(t.Context()); err == nil {
			t.Error("Tokens works")
		}
	}},
}

func token(name string) app.Token {
	return app.Token{
		ID: "id-" + name, Name: name, Sum: []byte("sum of " + name), Scope: app.ScopeRead, By: ann,
		CreatedAt: noon,
	}
}

func testTokens(t *testing.T, open func() app.Store) {
	s := open()
	for _, name := range []string{"phone", "laptop"} {
		put(t, s.PutToken(t.Context(), token(name)))
	}
	clash := token("laptop")
	clash.ID = "id-other"
	wantCode(t, s.PutToken(t.Context(), clash), rules.Conflict)
	list, err := s.Tokens(t.Context())
	if err != nil || len(list) != 2 || list[0].Name != "laptop" || list[1].Name != "phone" {
		t.Fatalf("Tokens returned %+v, %v", list, err)
	}
	put(t, s.DeleteToken(t.Context(), "laptop"))
	wantCode(t, s.DeleteToken(t.Context(), "laptop"), rules.NotFound)
	put(t, s.PutToken(t.Context(), clash))
	if list, err := s.Tokens(t.Context()); err != nil || len(list) != 2 || list[0].ID != "id-other" {
		t.Errorf("after one was made anew, Tokens returned %+v, %v", list, err)
	}
}

func revision(t *testing.T, s app.Store) int64 {
	t.Helper()
	n, err := s.TokenRevision(t.Context())
	put(t, err)
	return n
}

func testTokenRevision(t *testing.T, open func() app.Store) {
	daemon, other := open(), open()
	seen := map[int64]bool{revision(t, daemon): true}
	moved := func(what string, want bool) {
		t.Helper()
		n := revision(t, daemon)
		if seen[n] == want {
			t.Errorf("after %s the revision is %d; it should have moved: %v", what, n, want)
		}
		seen[n] = true
	}
	put(t, daemon.PutToken(t.Context(), token("own")))
	moved("an own token", true)
	put(t, other.PutToken(t.Context(), token("theirs")))
	moved("a token of another process", true)
	put(t, other.DeleteToken(t.Context(), "own"))
	moved("a revoke by another process", true)
	put(t, daemon.DeleteToken(t.Context(), "theirs"))
	moved("an own revoke", true)
	moved("nothing", false)
}
