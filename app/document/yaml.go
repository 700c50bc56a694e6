package document

import (
	"github.com/goccy/go-yaml"

	"github.com/9bikes/tocsin/rules"
)

// FromJSON is a JSON document as a person would write it, in YAML. One with hidden
// characters stays JSON, which YAML is too, and which can escape them.
func FromJSON(object []byte) (string, error) {
	text, err := yaml.JSONToYAML(object)
	if err != nil {
		return "", err
	}
	if whole := string(text); rules.Defuse(whole, "", "\n") != whole {
		return string(rules.EscapeJSON(object)) + "\n", nil
	}
	return string(text), nil
}
