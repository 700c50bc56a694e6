package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/9bikes/tocsin/evaluator/sourcetest"
)

// TestInitWritesAFirstConfig from what a real InfluxDB says, and what it says to
// do next works with it.
func TestInitWritesAFirstConfig(t *testing.T) {
	influx := sourcetest.Influxd(t)
	influx.Write("disk,host=pi,path=/ used_percent=40", "cpu,host=pi usage_idle=90")
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(config, []byte("data_dir: data # mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(typed string, args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), binary, append(args, "--config", config)...)
		cmd.Stdin = strings.NewReader(typed)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := run("other\n", "init", "--influxdb", influx.URL)
	if err == nil || !strings.Contains(out, `no database "other"`) {
		t.Errorf("a database that is not there: %v\n%s", err, out)
	}
	out, err = run(influx.DB+"\n", "init", "--influxdb", influx.URL)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"Found InfluxDB 1.", influx.DB, "Wrote it to " + config, "tocsin channels add phone",
		"--measurement disk", "--measurement cpu",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("init does not say %q:\n%s", want, out)
		}
	}
	for line := range strings.SplitSeq(out, "\n") {
		if utf8.RuneCountInString(line) > 80 && !strings.Contains(line, dir) && !strings.Contains(line, influx.URL) {
			t.Errorf("wider than 80 columns: %s", line)
		}
	}
	if strings.ContainsRune(out, utf8.RuneError) {
		t.Errorf("init prints what terminals obey:\n%s", out)
	}
	if strings.Contains(out, "--measurement mem") {
		t.Errorf("a rule for what is not measured:\n%s", out)
	}
	text, err := os.ReadFile(config)
	if err != nil || !strings.HasPrefix(string(text), "data_dir: data # mine\n") {
		t.Errorf("the config was %s, %v", text, err)
	}
	if out, err := run("", "sources", "check"); err != nil {
		t.Errorf("sources check: %v\n%s", err, out)
	}
	out, err = run("", "init", "--influxdb", influx.URL)
	if err == nil || !strings.Contains(out, "has a source already") {
		t.Errorf("a second time: %v\n%s", err, out)
	}
}

// TestInitLeavesAConfigAsItWas when it finds none, may not look, or cannot add
// to it.
func TestInitLeavesAConfigAsItWas(t *testing.T) {
	influx, locked := sourcetest.Influxd(t), sourcetest.Influxd(t)
	locked.Secure("reader", "c4n4ry")
	for _, tt := range []struct{ name, config, url, want string }{
		{"nobody there", "", "http://" + sourcetest.FreeAddress(t), "error: "},
		{"one that asks for a login", "", locked.URL, "with a login that may read: `tocsin help config`"},
		{"a key that is there already", "sources: {}\n", influx.URL, "put it there yourself: sources:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config := filepath.Join(t.TempDir(), "config.yaml")
			if err := os.WriteFile(config, []byte(tt.config), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), binary, "init", "--influxdb", tt.url, "--config", config)
			cmd.Stdin = strings.NewReader("\n")
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), tt.want) {
				t.Errorf("%v\n%s", err, out)
			}
			if text, err := os.ReadFile(config); err != nil || string(text) != tt.config {
				t.Errorf("the config is %s, %v", text, err)
			}
		})
	}
}
