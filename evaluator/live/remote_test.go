package live_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/evaluator"
	"github.com/9bikes/tocsin/evaluator/live"
	"github.com/9bikes/tocsin/evaluator/sourcetest"
	"github.com/9bikes/tocsin/rules"
)

func TestContractFromAnotherProcess(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T, lines []string) evaluator.Source {
		s := live.New(live.Options{})
		write(t, s, suiteEnd, lines...)
		daemon := httptest.NewServer(s.Remote())
		t.Cleanup(daemon.Close)
		return live.NewRemote(daemon.URL, "live", nil)
	})
}

func TestRemoteTellsTheCureWithoutADaemon(t *testing.T) {
	daemon := httptest.NewServer(http.NotFoundHandler())
	daemon.Close()
	_, err := live.NewRemote(daemon.URL, "live", nil).Measurements(t.Context())
	if rules.CodeOf(err) != rules.Unavailable || !strings.Contains(err.Error(), "tocsin serve") {
		t.Errorf("error = %v", err)
	}
}

func TestARemoteAnswerThatIsTooLargeIsSaidToBe(t *testing.T) {
	daemon := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for row := []byte(strings.Repeat(" ", 1<<20)); ; {
			if _, err := w.Write(row); err != nil {
				return
			}
		}
	}))
	defer daemon.Close()
	_, err := live.NewRemote(daemon.URL, "live", nil).Measurements(t.Context())
	if rules.CodeOf(err) != rules.Invalid || !evaluator.IsTooMuch(err) ||
		!strings.Contains(err.Error(), "ask for a shorter time") {
		t.Errorf("error = %v, want that it is too large", err)
	}
}
