package app_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

// shelf is a store of channels that may be out of reach.
type shelf struct {
	app.Store
	list []app.StoredChannel
	err  error
}

func (s *shelf) Channels(context.Context) ([]app.StoredChannel, error) { return s.list, s.err }

// TestWhatCannotBeReadLeavesTheKnownChannelsInForce: a rule for every channel
// still reaches them, they are used as before, and none of their messages is
// lost.
func TestWhatCannotBeReadLeavesTheKnownChannelsInForce(t *testing.T) {
	vault, err := notify.OpenVault(filepath.Join(t.TempDir(), "key"), true)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := vault.Seal("c1", "ntfy", rules.NewSecret("ntfy://h/t"))
	if err != nil {
		t.Fatal(err)
	}
	s := &shelf{err: errors.New("disk I/O error")}
	d := app.NewDirectory(&app.Config{}, s, vault, slog.New(slog.DiscardHandler))
	if _, err := d.Open("phone"); rules.CodeOf(err) != rules.Unavailable {
		t.Errorf("before anything was read: %v", err)
	}
	s.list, s.err = []app.StoredChannel{{
		ID: "c1", Name: "phone", Kind: "ntfy", Sealed: sealed,
		Settings: notify.Settings{Fallback: "mail"},
	}}, nil
	look := func(when, fallback string) {
		t.Helper()
		c, err := d.Open("phone")
		if err != nil || c.URL.Reveal() != "ntfy://h/t" || strings.Join(d.Names(), " ") != "phone" ||
			d.Policy("phone").Fallback != fallback {
			t.Errorf("%s: %v, names %v, policy %+v", when, err, d.Names(), d.Policy("phone"))
		}
	}
	look("when they can be read", "mail")
	s.err = errors.New("disk I/O error")
	d.Forget()
	look("when they cannot", "mail")
	s.list[0].Settings.Fallback, s.err = "pager", nil
	look("when they can again", "pager")
	if _, err := d.Open("gone"); rules.CodeOf(err) != rules.NotFound {
		t.Errorf("one that does not exist: %v", err)
	}
	s.list[0].Sealed = []byte("of another key")
	d.Forget()
	if _, err := d.Open("phone"); rules.CodeOf(err) != rules.NotFound {
		t.Errorf("one that no key opens: %v", err)
	}
}
