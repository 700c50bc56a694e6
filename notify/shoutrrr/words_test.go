package shoutrrr_test

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/notify/shoutrrr"
)

// all is everything that a request says, without escapes of JSON and of forms.
func (g got) all() string {
	form := ""
	if strings.HasPrefix(g.header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		if values, err := url.ParseQuery(g.body); err == nil {
			form = values.Get("content")
		}
	}
	text := g.header.Get("Title") + "\n" + g.query.Get("title") + "\n" + g.query.Get("text") + "\n" + form + "\n" + g.body
	return strings.NewReplacer(`\n`, "\n", `\"`, `"`, `\\`, `\`).Replace(text)
}

// eachChannel sends a message through every channel.
func eachChannel(t *testing.T, m notify.Message, check func(t *testing.T, kind, all string)) {
	t.Helper()
	for _, c := range channels {
		t.Run(c.name, func(t *testing.T) {
			in := newInbox(t, says(c.status, c.answer))
			wantSent(t, toward(t, in.URL, time.Minute).Send(context.Background(), channel(c.url), m))
			check(t, c.kind, in.one(t).all())
		})
	}
	t.Run("mail", func(t *testing.T) { check(t, "smtp", mailed(t, m)) })
}

// TestThePlaceIsNeverCut, however long the title is in whatever letters.
func TestThePlaceIsNeverCut(t *testing.T) {
	for _, letter := range []string{"x", "ж", "🔥", "<"} {
		m := ordinary()
		m.Place = ", " + notify.Data("kitchen") + "/" + notify.Data("sensor17")
		m.Title = strings.Repeat(letter, 200) + m.Place
		eachChannel(t, m, func(t *testing.T, _, all string) {
			if !strings.Contains(all, "kitchen/sensor17") {
				t.Errorf("of a title in %s the place is cut:\n%s", letter, all)
			}
		})
	}
}

// TestAnAuthorsTextIsHis: his links are as he wrote them, and nothing that cannot
// be seen is in what is copied. Data makes no links and no mentions.
func TestAnAuthorsTextIsHis(t *testing.T) {
	const link = "https://wiki.example/a_b?room=(x)*2"
	m := ordinary()
	m.Title, m.Link = "Ask @ann_lee 5*3 #1", ""
	m.Text = "See " + link + " and http://nas:8627/x_y, or example.org; " +
		"graph https://graf.example/d?var=" + notify.Data("web-1.example.org evil.com/x")
	m.Fields = nil
	eachChannel(t, m, func(t *testing.T, kind, all string) {
		quoted := all
		if kind == "teams" || kind == "slack" {
			quoted = strings.ReplaceAll(all, "&amp;", "&")
		}
		for _, want := range []string{
			link, "http://nas:8627/x_y,", "example.org;", "https://graf.example/d?var=web-1.example.org ",
		} {
			if !strings.Contains(quoted, want) {
				t.Errorf("%q is not in it:\n%s", want, all)
			}
		}
		if strings.Contains(all, "evil.com") != (kind == "generic") {
			t.Errorf("data makes a link:\n%s", all)
		}
		if n := strings.Count(all, "\u200b"); kind != "generic" && n != strings.Count(all, "evil.\u200b") {
			t.Errorf("%d characters that cannot be seen are in it:\n%q", n, all)
		}
	})
}

// TestDataIsDefused where programs would make something of it, and stays as it is
// where not.
func TestDataIsDefused(t *testing.T) {
	for data, want := range map[string]string{
		"evil.com": "evil.|com", "a.b.evil.com/x": "a.|b.|evil.|com/x", "nas.lan": "nas.lan", "fritz.local:80": "fritz.local:80",
		"https://evil": "https:|//evil", "www.evil": "www.|evil", "@all": "@|all", "10.0.0.1": "10.0.0.1", "v1.2": "v1.2",
		"кот.рф": "кот.|рф", "end. Next": "end. Next", "/var": "/var",
	} {
		m := ordinary()
		m.Text = notify.Data(data)
		in := newInbox(t, says(200, `{"id":1}`))
		wantSent(t, toward(t, in.URL, time.Minute).Send(context.Background(), channel("gotify://h/T"), m))
		if got := in.one(t).body; !strings.Contains(got, `"message":"`+strings.ReplaceAll(want, "|", "\u200b")+`\n`) {
			t.Errorf("%q went as %q", data, got)
		}
	}
	m := ordinary()
	m.Text = notify.Data("https:") + "/" + notify.Data("/1.2.3.4")
	in := newInbox(t, says(200, `{"id":1}`))
	wantSent(t, toward(t, in.URL, time.Minute).Send(context.Background(), channel("gotify://h/T"), m))
	if got := in.one(t).body; strings.Contains(got, "https://1") {
		t.Errorf("two data made a link: %s", got)
	}
}

// mailed is the subject and the plain text of a mail.
func mailed(t *testing.T, m notify.Message) string {
	t.Helper()
	p := openPostOffice(t, &postOffice{})
	wantSent(t, mustCode(t, 250,
		shoutrrr.New(options()).Send(context.Background(), mailChannel("127.0.0.1", p.port(), "", ""), m)))
	parsed := parseMail(t, p.mails[0])
	return parsed.Get("Subject") + "\n" + parsed.plain
}
