package rules_test

import (
	"testing"

	"github.com/9bikes/tocsin/rules"
)

func TestLoopbackIsThisMachineAlone(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LocalHost": true, "localhost.": true, "127.0.0.1": true, "127.8.9.10": true, "::1": true,
		"::ffff:127.0.0.1": true,
		"":                 false, "0.0.0.0": false, "::": false, "192.168.1.5": false, "localhost.example.org": false,
		"127.0.0.1.example.org": false, "127.0.0.1:80": false, "[::1]": false,
	} {
		if got := rules.Loopback(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}
