package notify_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/9bikes/tocsin/notify"
	"github.com/9bikes/tocsin/rules"
)

func keep(t *testing.T, path string) *notify.Key {
	t.Helper()
	k, err := notify.KeepKey(path)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func kept(t *testing.T, pattern string) int {
	t.Helper()
	list, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// sealed is a credential that a vault on the key sealed.
func sealed(t *testing.T, k *notify.Key) []byte {
	t.Helper()
	text, err := notify.NewVault(k).Seal("1", "ntfy", rules.NewSecret("ntfy://topic"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func opens(k *notify.Key, text []byte) bool {
	url, err := notify.NewVault(k).Open("1", "ntfy", text)
	return err == nil && url.Reveal() == "ntfy://topic"
}

// TestAKeyFileThatGoesWrongIsWrittenAgain: what the memory has is not lost.
func TestAKeyFileThatGoesWrongIsWrittenAgain(t *testing.T) {
	for name, harm := range map[string]func(path string) error{
		"deleted": os.Remove,
		"emptied": func(path string) error { return os.Truncate(path, 0) },
		"garbage": func(path string) error { return os.WriteFile(path, []byte("garbage"), 0o600) },
		"a directory": func(path string) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.Mkdir(path, 0o700)
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "channels.key")
			k := keep(t, path)
			text := sealed(t, k)
			if err := k.Look(nil); err != nil {
				t.Errorf("a sound key: %v", err)
			}
			if err := harm(path); err != nil {
				t.Fatal(err)
			}
			if err := k.Look(nil); err == nil || !strings.Contains(err.Error(), "written again from memory") {
				t.Errorf("Look = %v, want what was done", err)
			}
			if err := k.Look(nil); err != nil {
				t.Errorf("the next Look: %v", err)
			}
			if again := keep(t, path); !opens(k, text) || !opens(again, text) {
				t.Error("the credential does not open any more")
			}
		})
	}
}

// TestTheKeyThatOpensMoreIsTheRightOne: a stranger gives way to ours, ours to the
// one that what is stored was sealed with.
func TestTheKeyThatOpensMoreIsTheRightOne(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "channels.key")
	k := keep(t, path)
	text := sealed(t, k)
	opened := func(v *notify.Vault) int {
		if url, err := v.Open("1", "ntfy", text); err == nil && url.Reveal() == "ntfy://topic" {
			return 1
		}
		return 0
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("x", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := k.Look(opened); err == nil || !opens(k, text) || !opens(keep(t, path), text) ||
		kept(t, path+".damaged-*") != 1 {
		t.Errorf("a stranger was not set aside: %v", err)
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("y", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := k.Look(func(*notify.Vault) int { return 0 }); err == nil || !opens(keep(t, path), text) {
		t.Errorf("where nothing is sealed a stranger was taken: %v", err)
	}
	fresh := filepath.Join(dir, "fresh.key") // of a new machine
	late := keep(t, fresh)
	right, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(fresh, right, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := late.Look(opened); err != nil || !opens(late, text) {
		t.Errorf("the right key was not taken: %v", err)
	}
}

// TestNoKeyFileKeepsTheDaemonFromStarting: what needs no key goes on.
func TestNoKeyFileKeepsTheDaemonFromStarting(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "channels.key")
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := notify.KeepKey(path)
	if err == nil || !strings.Contains(err.Error(), "was damaged; it is kept as") || kept(t, path+".damaged-*") != 1 {
		t.Errorf("a damaged key: %v", err)
	}
	if text := sealed(t, k); !opens(keep(t, path), text) {
		t.Error("the new key is not in its file")
	}

	nowhere := filepath.Join(dir, "gone", "channels.key")
	k, err = notify.KeepKey(nowhere)
	if err == nil || strings.Contains(err.Error(), "<nil>") ||
		!strings.Contains(err.Error(), "cannot make the key file "+nowhere+": no such file") {
		t.Errorf("where none can be made: %v", err)
	}
	if _, err := notify.NewVault(k).Seal("1", "ntfy", rules.NewSecret("x")); err == nil {
		t.Error("a credential was sealed with a key that ends with the process")
	}
	if err := os.Mkdir(filepath.Dir(nowhere), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := k.Look(nil); err != nil || k.Trouble() != nil {
		t.Errorf("once it can be made: %v", err)
	}
	if text := sealed(t, k); !opens(keep(t, nowhere), text) {
		t.Error("the key is not in its file")
	}
}

// TestAVaultOpensWhatIsBoundToItsChannel, and makes a key file only where it is
// told to.
func TestAVaultOpensWhatIsBoundToItsChannel(t *testing.T) {
	path := filepath.Join(t.TempDir(), "channels.key")
	if v, err := notify.OpenVault(path, false); err == nil || v != nil {
		t.Errorf("without a key file there is the vault %v", v)
	}
	v, err := notify.OpenVault(path, true)
	if err != nil {
		t.Fatal(err)
	}
	text, err := v.Seal("1", "ntfy", rules.NewSecret("ntfy://topic"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := notify.OpenVault(path, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		id, kind string
		opens    bool
	}{{"1", "ntfy", true}, {"2", "ntfy", false}, {"1", "smtp", false}} {
		url, err := again.Open(tt.id, tt.kind, text)
		if opened := err == nil && url.Reveal() == "ntfy://topic"; opened != tt.opens ||
			!opened && rules.CodeOf(err) != rules.Unavailable {
			t.Errorf("as %s of channel %s it opens: %v, %v", tt.kind, tt.id, opened, err)
		}
	}
}
