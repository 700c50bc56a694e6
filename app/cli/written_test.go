package cli_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestTextInAFileIsTextAsItIsWritten: a label, a tag's value or a name is not
// another because YAML would take it for a number.
func TestTextInAFileIsTextAsItIsWritten(t *testing.T) {
	h := newHouse(t, plain)
	for i, text := range []string{
		"1.10", "007", "010", "0x1F", "1e3", "1_000", "+49123", "no", "on", "yes", "off", "True", "1.", ".5", "0b1", "1:30",
	} {
		h.in = fmt.Sprintf("\ufeffname: r%d\r\ntitle: %s\r\nmeasurement: temperature\r\nfield: celsius\r\n"+
			"where: {room: %[2]s}\r\nlabels: {v: %[2]s}\r\ncondition: {operator: \">\", value: 010}\r\n", i, text)
		h.ok("rules", "create", "--file", "-", "--allow-unknown", "--set", "labels.w="+text)
		r := h.answer("rules", "show", fmt.Sprintf("r%d", i))["rule"].(map[string]any)
		labels, where := r["labels"].(map[string]any), r["where"].(map[string]any)
		if r["title"] != text || labels["v"] != text || labels["w"] != text || where["room"] != text {
			t.Errorf("%s: title %v, labels %v, where %v", text, r["title"], labels, where)
		}
		if got := r["condition"].(map[string]any)["value"]; got != 10.0 {
			t.Errorf("%s: 010 is %v", text, got)
		}
	}
}

// TestANullIsTextWhereTextStands: at a key of ours it is none.
func TestANullIsTextWhereTextStands(t *testing.T) {
	h := newHouse(t, plain)
	for i, null := range []string{"~", "null", "Null", "NULL"} {
		h.in = fmt.Sprintf("name: r%d\ntitle: A\nsummary: %s\nmeasurement: temperature\nfield: state\n"+
			"where: {a: %[2]s, b: [x, %[2]s]}\nlabels: {v: %[2]s}\ncondition: {operator: ==, value: %[2]s, window: %[2]s}\n",
			i, null)
		h.ok("rules", "create", "--file", "-", "--allow-unknown", "--set", "labels.w="+null, "--set", "runbook="+null)
		r := h.answer("rules", "show", fmt.Sprintf("r%d", i))["rule"].(map[string]any)
		got := strings.TrimSpace(fmt.Sprintln(r["labels"], r["where"], r["condition"].(map[string]any)["value"], r["summary"],
			r["runbook"]))
		want := fmt.Sprintf("map[v:%[1]s w:%[1]s] map[a:%[1]s b:%[2]s] %[1]s <nil> <nil>", null, slices.Sorted(
			slices.Values([]string{null, "x"})))
		if got != want {
			t.Errorf("%s: %s, want %s", null, got, want)
		}
	}
	h.in = `{"name": "j", "measurement": "m", "field": "f", "where": {"a": null}, "condition": {"operator": ">", "value": 1}}`
	if _, errOut, code := h.run("rules", "create", "--file", "-"); code == 0 || !strings.Contains(errOut, "tag a") {
		t.Errorf("JSON's null is no text: exit %d, %s", code, errOut)
	}
}

func TestAFileOfARuleThatCannotBeReadIsRefused(t *testing.T) {
	h := newHouse(t, plain)
	const rule = "title: One\nmeasurement: t\nfield: v\ncondition: {operator: '>', value: 1}\n"
	for in, want := range map[string]string{
		rule + "---\n" + rule:  "holds 2 rules, apart by ---, and this takes one",
		"\xff\xfet\x00i\x00":   "standard input: is written in UTF-16; save it as UTF-8",
		rule + "summary: \x00": "line 5: holds a NUL byte",
		rule + "runbook: \xe9": "line 5: is not UTF-8",
		"":                     "must hold one rule",
		"---\n---\n":           "must hold one rule",
	} {
		h.in = in
		if _, errOut, code := h.run("rules", "create", "--file", "-"); code == 0 || !strings.Contains(errOut, want) {
			t.Errorf("%q: exit %d, %s", in, code, errOut)
		}
	}
	h.in = "---\n" + rule + "---\n"
	h.ok("rules", "create", "--file", "-", "--allow-unknown")
}

// TestAFlagThatListsTakesAnyName, with quotes and commas too.
func TestAFlagThatListsTakesAnyName(t *testing.T) {
	h := newHouse(t, plain)
	for i, tt := range []struct {
		flags []string
		want  string
	}{
		{[]string{`a"b`}, `["a\"b"]`},
		{[]string{"a,b"}, `["a","b"]`},
		{[]string{`"a,b",c`}, `["a,b","c"]`},
		{[]string{`"a ""quoted"" tag"`, "d"}, `["a \"quoted\" tag","d"]`},
		{[]string{"a=b c\\d"}, `["a=b c\\d"]`},
		{[]string{`"`}, `["\""]`},
	} {
		args := []string{
			"rules", "create", "--name", fmt.Sprintf("l%d", i), "--measurement", "m", "--field", "f", "--above",
			"1",
			"--allow-unknown",
		}
		for _, flag := range tt.flags {
			args = append(args, "--group-by", flag)
		}
		h.ok(args...)
		got, err := json.Marshal(h.answer("rules", "show", fmt.Sprintf("l%d", i))["rule"].(map[string]any)["group_by"])
		if err != nil || string(got) != tt.want {
			t.Errorf("%q: %s, want %s", tt.flags, got, tt.want)
		}
	}
}
