package influx

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/tinylib/msgp/msgp"
)

// packed is an answer as a server packs it.
func packed(t *testing.T, answer any) []byte {
	t.Helper()
	var b bytes.Buffer
	w := msgp.NewWriter(&b)
	if err := w.WriteIntf(answer); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAPackedAnswerSaysWhatJSONSays(t *testing.T) {
	series := func(values ...any) map[string]any {
		return map[string]any{"values": values}
	}
	for name, answer := range map[string]any{
		"rows of every kind": map[string]any{"results": []any{map[string]any{"series": []any{series(
			[]any{int64(1), 2.5}, []any{int64(2), nil}, []any{int64(3), true}, []any{int64(4), "on"}, []any{int64(5), int64(7)},
		)}}}},
		"a statement that failed":    map[string]any{"results": []any{map[string]any{"error": "no such thing"}}},
		"a request that was refused": map[string]any{"error": "unauthorized"},
		"one that was cut":           map[string]any{"results": []any{map[string]any{"partial": true}}},
		"nothing":                    map[string]any{"results": []any{}},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := json.Marshal(answer)
			if err != nil {
				t.Fatal(err)
			}
			var want, got script
			var d decoder
			wantSaid, err := d.decode(bytes.NewReader(text), mostAnswer, false, &want)
			if err != nil {
				t.Fatal(err)
			}
			said, err := unpack(bytes.NewReader(packed(t, answer)), mostAnswer, false, &got)
			if err != nil || said != wantSaid || got.String() != want.String() {
				t.Errorf("told\n%swith %q and %v, want\n%swith %q", got.String(), said, err, want.String(), wantSaid)
			}
		})
	}
}

func TestABrokenPackedAnswerIsAnError(t *testing.T) {
	whole := packed(t,
		map[string]any{"results": []any{map[string]any{"series": []any{map[string]any{"values": []any{[]any{
			int64(1),
			2.5,
		}}}}}}})
	for n := range whole {
		if _, err := unpack(bytes.NewReader(whole[:n]), mostAnswer, false, &script{}); err == nil {
			t.Errorf("%d of %d bytes were taken for an answer", n, len(whole))
		}
	}
	wrong := packed(t,
		map[string]any{"results": []any{map[string]any{"series": []any{map[string]any{"values": []any{[]any{
			"yesterday",
			2.5,
		}}}}}}})
	if _, err := unpack(bytes.NewReader(wrong), mostAnswer, false, &script{}); err == nil {
		t.Error("a time that is a word was taken")
	}
}

func FuzzUnpack(f *testing.F) {
	var b bytes.Buffer
	w := msgp.NewWriter(&b)
	series := map[string]any{"tags": map[string]any{"a": "b"}, "values": []any{[]any{int64(1), 2.5}}}
	_ = w.WriteIntf(map[string]any{"results": []any{map[string]any{"series": []any{series}}}})
	_ = w.Flush() // into memory
	f.Add(b.Bytes())
	f.Fuzz(func(_ *testing.T, body []byte) {
		_, _ = unpack(bytes.NewReader(body), 1<<20, false, &script{}) // it must end and not panic
	})
}
