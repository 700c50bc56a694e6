package notify_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

func signer(t *testing.T) (*notify.Signer, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "links.key")
	return notify.NewSigner(keep(t, path)), path
}

func aLink() notify.Link {
	return notify.Link{
		Alerts: []string{"a1b2", "c3d4"}, Act: notify.LinkAck, Channel: "phone",
		Expires: noon.Add(time.Hour),
	}
}

func TestALinkIsReadAsItWasSigned(t *testing.T) {
	s, path := signer(t)
	token := s.Sign(aLink())
	again := notify.NewSigner(keep(t, path)) // a restart
	got, err := again.Read(token, noon)
	if err != nil || !reflect.DeepEqual(got, aLink()) {
		t.Errorf("Read returned %+v, %v", got, err)
	}
	if strings.ContainsAny(token, "+/=") {
		t.Errorf("token %s needs escapes in a path", token)
	}
}

func TestALinkExpires(t *testing.T) {
	s, _ := signer(t)
	token := s.Sign(aLink())
	if _, err := s.Read(token, noon.Add(time.Hour-time.Second)); err != nil {
		t.Errorf("a second before: %v", err)
	}
	if _, err := s.Read(token, noon.Add(time.Hour)); rules.CodeOf(err) != rules.Conflict {
		t.Errorf("at its end: %v", err)
	}
}

// TestForgedLinks changes each part that a link is bound to, and keeps the
// signature.
func TestForgedLinks(t *testing.T) {
	s, path := signer(t)
	other, _ := signer(t)
	mine, err := base64.RawURLEncoding.DecodeString(s.Sign(aLink()))
	if err != nil {
		t.Fatal(err)
	}
	signature := mine[len(mine)-16:]
	forge := func(change func(*notify.Link)) string {
		l := aLink()
		change(&l)
		text, err := base64.RawURLEncoding.DecodeString(other.Sign(l))
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(append(text[:len(text)-16], signature...))
	}
	if _, err := s.Read(forge(func(*notify.Link) {}), noon); err != nil {
		t.Fatalf("the forger does not make the same link: %v", err)
	}
	for name, token := range map[string]string{
		"another alert":      forge(func(l *notify.Link) { l.Alerts[1] = "c3d5" }),
		"one alert less":     forge(func(l *notify.Link) { l.Alerts = l.Alerts[:1] }),
		"a message":          forge(func(l *notify.Link) { l.Message = "m" }),
		"another act":        forge(func(l *notify.Link) { l.Act = notify.LinkUndo }),
		"another channel":    forge(func(l *notify.Link) { l.Channel = "mail" }),
		"a later expiry":     forge(func(l *notify.Link) { l.Expires = l.Expires.Add(time.Second) }),
		"a moved border":     forge(func(l *notify.Link) { l.Alerts[1], l.Act = "c3d4a", "ck" }),
		"another key":        other.Sign(aLink()),
		"nothing":            "",
		"a cut one":          s.Sign(aLink())[:40],
		"one with a tail":    s.Sign(aLink()) + "AA",
		"no base64":          "!!!" + s.Sign(aLink()),
		"a signature of all": base64.RawURLEncoding.EncodeToString(signature),
	} {
		if l, err := s.Read(token, noon); rules.CodeOf(err) != rules.Forbidden {
			t.Errorf("%s is read as %+v, %v", name, l, err)
		}
	}
	// Whoever has the key may still write what is no link.
	secret, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	expires := binary.AppendVarint(nil, noon.Add(time.Hour).Unix())
	for name, body := range map[string][]byte{
		"nothing but its signature": nil,
		"an expiry alone":           expires,
		"a part that is too short":  binary.AppendUvarint(expires, 1),
		"an expiry without an end":  bytes.Repeat([]byte{0xff}, 11),
		"a length without an end":   append(slices.Clone(expires), bytes.Repeat([]byte{0xff}, 11)...),
	} {
		h := hmac.New(sha256.New, secret)
		h.Write(append([]byte("tocsin link 1\x00"), body...))
		if l, err := s.Read(base64.RawURLEncoding.EncodeToString(h.Sum(body)), noon); rules.CodeOf(err) != rules.Forbidden {
			t.Errorf("%s is read as %+v, %v", name, l, err)
		}
	}
	for i := range mine {
		bent := append([]byte{}, mine...)
		bent[i] ^= 1
		if l, err := s.Read(base64.RawURLEncoding.EncodeToString(bent), noon); err == nil {
			t.Errorf("with byte %d bent it is read as %+v", i, l)
		}
	}
}

// TestLinksOfTheVersionBeforeAreRead: they are out for a week.
func TestLinksOfTheVersionBeforeAreRead(t *testing.T) {
	s, path := signer(t)
	secret, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	body := binary.AppendVarint(nil, aLink().Expires.Unix())
	for _, part := range []string{"a1b2,c3d4", "ack", "phone"} {
		body = append(binary.AppendUvarint(body, uint64(len(part))), part...)
	}
	h := hmac.New(sha256.New, secret)
	h.Write(append([]byte("tocsin link 1\x00"), body...))
	got, err := s.Read(base64.RawURLEncoding.EncodeToString(h.Sum(body)), noon)
	if err != nil || !reflect.DeepEqual(got, aLink()) {
		t.Errorf("Read returned %+v, %v", got, err)
	}
}

// TestALinkIsShort however many alerts it answers for.
func TestALinkIsShort(t *testing.T) {
	s, _ := signer(t)
	token := s.Sign(notify.Link{Message: "f0123456789abcdef0123", Act: notify.LinkSnooze, Channel: "phone", Expires: noon})
	if len(token) > 80 {
		t.Errorf("%d characters: %s", len(token), token)
	}
}

func TestTheKeyOfLinksIsItsOwnersAlone(t *testing.T) {
	_, path := signer(t)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() != 32 {
		t.Errorf("key file: %v, %v", info, err)
	}
}

// catcher is a Sender that hands its messages on.
type catcher chan notify.Message

func (catcher) Check(rules.Secret) (string, error) { return "test", nil }

func (c catcher) Targets(rules.Secret) []string { return []string{""} }

func (catcher) Renamed(_ rules.Secret, name string) string { return name }

func (c catcher) Send(_ context.Context, _ notify.Channel, m notify.Message) rules.Outcome {
	c <- m
	return rules.Outcome{State: rules.Sent}
}

// TestMessagesCarryLinks: for what fires, and is named.
func TestMessagesCarryLinks(t *testing.T) {
	test := rules.Notification{Channel: "phone", Reason: rules.Test}
	var names []string // in the order of a message
	for _, n := range alerts("phone", 0, 20) {
		names = append(names, n.AlertID)
	}
	slices.Sort(names)
	for _, tt := range []struct {
		name string
		owed []rules.Notification
		want string
	}{
		{"a first", []rules.Notification{news("a", rules.FirstNews, nil)}, "phone a"},
		{"a reminder", []rules.Notification{news("a", rules.Reminder, nil)}, "phone a"},
		{
			"a late first with its reminder",
			[]rules.Notification{news("a", rules.FirstNews, nil), news("a", rules.Reminder, nil)},
			"phone a",
		},
		{"a resolve", []rules.Notification{news("a", rules.Resolved, nil)}, ""},
		{
			"a first that is over already",
			[]rules.Notification{news("a", rules.FirstNews, nil), news("a", rules.Resolved, nil)},
			"",
		},
		{"two alerts", []rules.Notification{news("a", rules.FirstNews, nil), news("b", rules.FirstNews, nil)}, "phone a b"},
		{
			"one that fires and one that is over",
			[]rules.Notification{news("a", rules.Resolved, nil), news("b", rules.FirstNews, nil)},
			"phone b",
		},
		{
			"what is sent again when it is over",
			[]rules.Notification{news("a", rules.FirstNews, func(n *rules.Notification) { n.Facts.ResolvedAt = noon })},
			"",
		},
		{"two that are over", []rules.Notification{news("a", rules.Resolved, nil), news("b", rules.Resolved, nil)}, ""},
		{"a storm, which names none", alerts("phone", 0, 21), ""},
		{"as many as are named", alerts("phone", 0, 20), strings.Join(append([]string{"phone"}, names...), " ")},
		{"a test", []rules.Notification{test}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, sent := &box{bell: make(chan struct{}, 1)}, make(catcher, 1)
				b.owe(tt.owed...)
				open := func(name string) (notify.Channel, error) { return notify.Channel{Name: name}, nil }
				d := notify.NewDispatcher(b, sent, open, slog.New(slog.DiscardHandler),
					notify.Options{Links: func(_ string, list []rules.Notification) []notify.Action {
						label := list[0].Channel
						for _, n := range list {
							label += " " + n.AlertID
						}
						return []notify.Action{{Label: label}}
					}})
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- d.Run(ctx) }()
				m, got := <-sent, ""
				for _, a := range m.Actions {
					got += a.Label
				}
				cancel()
				if err := <-ended; err != nil || got != tt.want {
					t.Errorf("links %q, %v; want %q", got, err, tt.want)
				}
			})
		})
	}
}

// TestWithoutALinkAMessageTellsTheCommand.
func TestWithoutALinkAMessageTellsTheCommand(t *testing.T) {
	for name, links := range map[string][]notify.Action{"with": {{Label: "Acknowledge"}}, "without": nil} {
		synctest.Test(t, func(t *testing.T) {
			b, sent := &box{bell: make(chan struct{}, 1)}, make(catcher, 1)
			b.owe(news("a", rules.Reminder, nil))
			open := func(name string) (notify.Channel, error) { return notify.Channel{Name: name}, nil }
			o := notify.Options{Links: func(string, []rules.Notification) []notify.Action { return links }}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- notify.NewDispatcher(b, sent, open, slog.New(slog.DiscardHandler), o).Run(ctx) }()
			m := <-sent
			cancel()
			if err := <-ended; err != nil || strings.Contains(m.Text, "tocsin alerts ack") != (links == nil) {
				t.Errorf("%s a link, %v:\n%s", name, err, m.Text)
			}
		})
	}
}
