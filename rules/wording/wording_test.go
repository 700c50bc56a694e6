package wording_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/rules/wording"
)

type reading float64

func data() wording.Data {
	return wording.Data{
		"value": reading(50.123), "peak": nil, "title": "Freezer", "count": 3,
		"labels": map[string]string{"host": "a", "floor": "4"}, "tags": wording.Open{"x": "y"},
		"alerts": []any{wording.Data{"id": "1", "labels": map[string]string{"host": "a"}}},
	}
}

func TestText(t *testing.T) {
	for template, want := range map[string]string{
		`{{printf "%.1f" .value}} {{if gt .value 3.0}}hot{{end}}`:          "50.1 hot",
		`{{if gt .value 3}}hot{{else}}cold{{end}}`:                         "hot",
		`{{if and (ge .count 3) (lt .count 3.5)}}three{{end}}`:             "three",
		`{{if eq .labels.host "b" "a"}}a{{end}}{{if ne .count 4}}b{{end}}`: "ab",
		`{{if le .peak 3}}low{{else}}not known{{end}} {{.peak}}`:           "not known ?",
		`{{printf "%.1f|%5d|%s" .peak .peak .labels.host}}`:                "?|?|a",
		`{{.labels.nope}} {{with .peak}}{{.}}{{else}}none{{end}}`:          "? none",
		`{{printf "100 %% of %s" .title}}`:                                 "100 % of Freezer",
		`{{range $name, $value := .labels}}{{$name}}={{$value}} {{end}}`:   "floor=4 host=a ",
		`{{range .alerts}}{{.id}}{{.labels.host}}{{$.title}}{{end}}`:       "1aFreezer",
		``: "",
	} {
		w, err := wording.Parse(template)
		if err != nil {
			t.Errorf("%s: %v", template, err)
			continue
		}
		if got, err := w.Text(data(), "?"); err != nil || got != want {
			t.Errorf("%s = %q, %v; want %q", template, got, err, want)
		}
	}
}

func TestATextIsBounded(t *testing.T) {
	w, err := wording.Parse(strings.Repeat("é{{.title}}", 3000))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := w.Text(data(), "?"); err != nil || len(got) > wording.Limit || !strings.HasPrefix(got, "éFreezer") {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestWhatCannotBeParsed(t *testing.T) {
	for template, want := range map[string]string{
		`{{.value`:              "1: unclosed action",
		`{{nope .value}}`:       `1: function "nope" not defined`,
		`{{template "x"}}`:      "template is not for these",
		`{{define "x"}}{{end}}`: "define and block",
		`{{if .value}}{{block "x" .}}{{end}}{{end}}`: "define and block",
		`{{range 9}}{{end}}`:                         "over the data itself",
		`{{range .alerts}}{{range .labels}}{{range $.alerts}}{{end}}{{end}}{{end}}`: "at most 2 deep",
		`{{if .x}}{{else}}{{range 9}}{{end}}{{end}}`:                                "over the data itself",
		`{{with .x}}{{range 9}}{{end}}{{end}}`:                                      "over the data itself",
		`{{range $x := $.alerts}}{{range $x}}{{end}}{{end}}`:                        "over the data itself",
	} {
		if _, err := wording.Parse(template); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", template, err)
		}
	}
}

func TestCheckTriesAllWays(t *testing.T) {
	for template, want := range map[string]string{
		`{{.value}} {{.labels.host}} {{$.title}} {{.tags.any}}`:          "",
		`{{if gt .value 99.0}}{{printf "%.1f" .value}}{{end}}`:           "",
		`{{if $x := .peak}}{{$x}}{{end}}{{range .alerts}}{{.id}}{{end}}`: "",
		`{{printf "%.1f%%" .value}}{{index .labels "x"}}`:                "",
		`{{with .labels}}{{.host}}{{end}}`:                               "",
		`{{.valu}}`:                                                      "knows no .valu",
		`{{.labels.hst}}`:                                                "knows no .labels.hst",
		`{{$.labels.hst}}`:                                               "knows no $.labels.hst",
		`{{if .value}}{{else if .x}}{{.y}}{{end}}`:                       "knows no .x",
		`{{printf "%s" (printf "%s" .x)}}`:                               "knows no .x",
		`{{with .labels}}{{.hst}}{{end}}`:                                "knows no .hst",
		`{{range .alerts}}{{.labels.hst}}{{end}}`:                        "knows no .labels.hst",
		`{{range .nope}}{{end}}`:                                         "knows no .nope",
		`{{printf "%.1f" .title}}`:                                       `printf "%.1f" does not fit`,
		`{{printf "%s"}}`:                                                `does not fit`,
		`{{printf "%s" .title .title}}`:                                  `does not fit`,
		`{{if gt .value 99.0}}{{printf "%d" .title}}{{end}}`:             `does not fit`,
		`{{if gt .title 3}}{{end}}`:                                      "text cannot be compared with a number",
		`{{if .peak}}{{if eq .labels 3}}{{end}}{{end}}`:                  "a list cannot be compared",
		`{{.value.Nope}}`:                                                "Nope",
		`{{printf "%999d" .count}}`:                                      "widths up to 99",
		`{{if eq .title}}{{end}}`:                                        "two or more",
	} {
		w, err := wording.Parse(template)
		if err != nil {
			t.Errorf("%s: %v", template, err)
			continue
		}
		switch err := w.Check(data()); {
		case want == "" && err == nil:
		case want == "" || err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "executing"):
			t.Errorf("%s: %v; want %q", template, err, want)
		}
	}
}

func TestAnUnknownNameComesWithTheKnown(t *testing.T) {
	w, err := wording.Parse(`{{.labels.hst}}`)
	if err != nil {
		t.Fatal(err)
	}
	var unknown *wording.UnknownError
	if err := w.Check(data()); !errors.As(err, &unknown) || unknown.In != ".labels" ||
		strings.Join(unknown.Known, " ") != "floor host" {
		t.Errorf("%+v", unknown)
	}
}
