package app_test

import (
	"strings"
	"testing"

	"github.com/9bikes/tocsin/app"
)

// TestAnAddressWithoutADotIsWarnedAbout: phones make no links of it.
func TestAnAddressWithoutADotIsWarnedAbout(t *testing.T) {
	for address, want := range map[string]bool{
		"http://nas:8627": true, "https://tocsin.example.org": false, "http://192.168.1.7:8627": false, "": false,
		"http://[::1]:8627": false, "http://nas.lan/tocsin": false,
	} {
		c := &app.Config{PublicURL: address}
		got := strings.Join(c.Concerns(), "\n")
		if strings.Contains(got, "public_url: ") != want {
			t.Errorf("of %q it says %q", address, got)
		}
	}
}
