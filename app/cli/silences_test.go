package cli_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/app"
)

// says wants each text in an output.
func (h *house) says(what, out string, wants ...string) {
	h.Helper()
	for _, want := range wants {
		if !strings.Contains(out, want) {
			h.Errorf("%s: %q is not in %s", what, want, out)
		}
	}
}

// freezer makes a rule that silences are about.
func (h *house) freezer() {
	h.Helper()
	h.ok("rules", "create", "--title", "Freezer", "--measurement", "temperature", "--field", "celsius", "--above", "-10",
		"--group-by", "sensor", "--label", "team=home")
}

func TestASilenceIsAddedListedAndEnded(t *testing.T) {
	h := newHouse(t, plain)
	h.freezer()
	h.says("a dry run", h.ok("silences", "add", "--rule", "freezer", "--for", "2h", "--dry-run"),
		"Good: rule freezer would be silenced, and nothing was saved, until 2026-03-14 14:00:00 UTC; it would hide 0 "+
			"alerts now.")
	h.says("no silence", h.ok("silences", "list"), "No silences.")
	added := h.ok("silences", "add", "--rule", "freezer", "--match", "team=home", "--match", "team=office", "--until",
		"18:00", "--comment", "defrosting")
	h.says("added", added,
		"Silenced rule freezer, team=home|office, until 2026-03-14 18:00:00 UTC; it hides 0 alerts now.",
		"tocsin silences end s")
	var list struct {
		Silences []app.SilenceView
		Total    int
		Warnings []string
	}
	h.must(json.Unmarshal([]byte(h.ok("silences", "list", "--json")), &list))
	if list.Total != 1 || len(list.Silences) != 1 || list.Silences[0].By.Door != "cli" ||
		list.Silences[0].Comment != "defrosting" || list.Warnings == nil {
		t.Fatalf("list = %+v", list)
	}
	id := list.Silences[0].ID
	h.says("the list", h.ok("silences", "list"), id, "running", "rule freezer, team=home|office",
		"2026-03-14 18:00:00 UTC", "defrosting")
	h.says("ended", h.ok("silences", "end", id), "Ended the silence of rule freezer, team=home|office.")
	h.says("no silence", h.ok("silences", "list"), "No silences.")
	h.says("all", h.ok("silences", "list", "--all"), id, "over")
	if _, errOut, code := h.run("silences", "end", id); code != 4 || !strings.Contains(errOut, "is over since") {
		t.Errorf("ended again: %d %s", code, errOut)
	}
}

func TestAWeeklySilence(t *testing.T) {
	h := newHouse(t, plain)
	h.freezer()
	h.says("added", h.ok("silences", "add", "--match", "sensor=a", "--weekly", "sun", "--hours", "22:00-07:00", "--zone",
		"Europe/Berlin"),
		"Silenced sensor=a, sun 22:00-07:00 Europe/Berlin, until somebody ends it; it does not run now.")
	h.says("the list", h.ok("silences", "list"), "waiting", "open-ended", "sun 22:00-07:00 Europe/Berlin")
}

func TestSilenceFlagsAreRefusedWithTheCure(t *testing.T) {
	h := newHouse(t, plain)
	h.freezer()
	for _, tt := range []struct {
		args string
		code int
		want string
	}{
		{"add --for 2h", 2, "rule: is missing, and there is no match"},
		{"add --rule freezer", 2, "until: is missing; give an end or a length"},
		{"add --rule frezer --for 2h", 3, "did you mean freezer?"},
		{"add --rule freezer --for 5", 2, `--for: must be a length of time with a unit; got "5"; for example --for 2h`},
		{"add --rule freezer --for 2h --until 18:00", 2, "until: is given beside a length"},
		{"add --rule freezer --until noon", 2, "--until: must be a duration such as 2h"},
		{"add --match room --for 2h", 2, `--match: must be tag=value; got "room"; for example --match room=kitchen`},
		{"add --rule freezer --for 2h --zone UTC", 2, "--zone: is the time zone of --weekly and --hours"},
		{"add --rule freezer --weekly someday", 2, "weekly.days: must be days such as mon-fri or sat,sun"},
		{"end s1", 3, `there is no silence "s1"`},
		{"end", 2, "ID is missing; for example `tocsin silences end"},
		{"ad", 2, "did you mean add"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			out, errOut, code := h.run(append([]string{"silences"}, strings.Fields(tt.args)...)...)
			if code != tt.code || !strings.Contains(errOut, tt.want) || out != "" {
				t.Errorf("exit %d, stdout %q, stderr %q; want %d, %q", code, out, errOut, tt.code, tt.want)
			}
		})
	}
}
