package notify

import (
	"strings"
	"testing"

	"github.com/9bikes/tocsin/rules"
)

// TestWhatGoesNext is inside, because what a channel is owed comes to this only
// after long plays of failures.
func TestWhatGoesNext(t *testing.T) {
	// owed is "alert" or "alert/message" of one that may have arrived, with how
	// often it was tried behind a colon.
	owed := func(text string) (list []rules.Notification) {
		for i, one := range strings.Fields(text) {
			one, tries, _ := strings.Cut(one, ":")
			alert, message, unknown := strings.Cut(one, "/")
			n := rules.Notification{
				ID: "n" + string(rune('0'+i)), AlertID: strings.TrimPrefix(alert, "own"), Message: message, Unknown: unknown,
				Reason: rules.FirstNews, Attempts: len(tries),
			}
			list = append(list, n)
		}
		return list
	}
	for _, tt := range []struct{ name, owed, goes, id string }{
		{"all that is new", "a b c", "n0 n1 n2", ""},
		{"what failed for certain goes with what is new", "a:II b", "n0 n1", ""},
		{"what may have arrived is repeated as it was", "a/m1:I b/m1:I", "n0 n1", "m1"},
		{"what is left of it too", "b/m1:I", "n0", "m1"},
		{"what is new goes before", "a/m1:I b", "n1", "n1"},
		{"but not once it was tried as often", "a/m1:I b:I", "n0", "m1"},
		{"the older one first", "a/m1:I b/m2:I", "n0", "m1"},
		{"unless it was tried more often", "a/m1:II b/m2:I", "n1", "m2"},
		{"of what is new among others that may have arrived", "a/m1:II b/m2:I c", "n2", "n2"},
		{"news of its alert go with it, under another ID", "a/m1:I a", "n0 n1", "n1"},
		{"and those of others do not", "a/m1:I a b:I", "n0 n1", "n1"},
		{"and what was told with it is left under its ID", "a/m1:I b/m1:I a", "n0 n2", "n2"},
		{"also where its news failed before", "a/m1:I b/m1:I a:I", "n0 n2", "n2"},
		{"to be repeated as it was", "a/m2:II b/m1:I a/m2:I", "n1", "m1"},
		{"unless there are news of all", "a/m1:I b/m1:I a b", "n0 n1 n2 n3", ""},
		{"three are repeated as they were", "a/m1:I b/m2:I c/m3:I", "n0", "m1"},
		{"four are one", "a/m1:I b/m2:I c/m3:I d/m4:I", "n0 n1 n2 n3", ""},
		{"and what is new is not among them", "a/m1:I b/m2:I c/m3:I d/m4:I e", "n4", "n4"},
		{"tocsin's own are about nothing in common", "own/m1:I own/m2:I", "n0", "m1"},
		{"one from before IDs were kept", "a/:I", "n0", "n0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := nextBatch(owed(tt.owed))
			var goes []string
			for _, n := range b.list {
				goes = append(goes, n.ID)
			}
			if got := strings.Join(goes, " "); got != tt.goes {
				t.Errorf("%s go, want %s", got, tt.goes)
			}
			if tt.id != "" && b.id != tt.id || tt.id == "" && !strings.HasPrefix(b.id, "f") {
				t.Errorf("as %s, want %s", b.id, tt.id)
			}
		})
	}
}
