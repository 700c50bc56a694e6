package app_test

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/app"
	"github.com/9bikes/tocsin/rules"
)

// TestASecretIsTakenOutInEveryForm in which it may be written.
func TestASecretIsTakenOutInEveryForm(t *testing.T) {
	const secret = `hunter2/"is"&long`
	r := app.NewRedactor(&app.Config{Token: rules.NewSecret(secret)})
	for _, form := range []string{
		secret, `hunter2/\"is\"&long`, url.QueryEscape(secret), url.PathEscape(secret), hex.EncodeToString([]byte(secret)),
		base64.StdEncoding.EncodeToString([]byte("a:" + secret)), base64.URLEncoding.EncodeToString([]byte(secret)),
	} {
		if got := r.Clean("before " + form + " after"); !strings.Contains(got, "[secret]") || strings.Contains(got, form) {
			t.Errorf("%s leaves as %s", form, got)
		}
	}
	if !r.Holds(map[string]any{"a": []any{"x " + secret}}) || r.Holds(map[string]any{"a": "hunter2"}) {
		t.Error("a secret among arguments is not found, or a word is")
	}
	none := app.NewRedactor(&app.Config{Token: rules.NewSecret("room")})
	if got := none.Clean("the room"); got != "the room" || none.Holds("room") {
		t.Errorf("a word became %s", got)
	}
	if got := app.NewRedactor(nil).Clean("x"); got != "x" {
		t.Errorf("without a config it is %s", got)
	}
}
