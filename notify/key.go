package notify

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/9bikes/tocsin/rules"
)

const keySize = 32

// Key is the content of a key file, which only its owner may read. The daemon
// holds it in memory too, so that it works on when the file goes wrong, and can
// write it again.
type Key struct {
	path string

	mu      sync.Mutex
	secret  []byte
	trouble error // why the secret is in no file and ends with this process
}

// OpenKey reads a key file; with create it makes a new one where there is none.
// A damaged one is refused.
func OpenKey(path string, create bool) (*Key, error) {
	secret, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && create {
		secret, err = newKey(path)
		err = rules.FileTrouble("make the key file", path, err)
	}
	if err != nil {
		return nil, rules.FileTrouble("read the key file", path, err)
	}
	if err := CheckKey(path, secret); err != nil {
		return nil, err
	}
	return &Key{path: path, secret: secret}, nil
}

// CheckKey refuses what cannot be a key.
func CheckKey(name string, secret []byte) error {
	if len(secret) == keySize {
		return nil
	}
	return rules.Errorf(rules.Invalid,
		"the key file %s is damaged: it has %d bytes instead of %d; restore it from a backup that holds the key, "+
			"or remove it and give the stored channels their credentials again", name, len(secret), keySize)
}

// KeepKey is OpenKey for the daemon, which no key file keeps from starting: a
// damaged one is set aside and a new one made. Where none can be read or made,
// the key is in memory only, until Look finds the file well. The error says
// what people should know; the Key is good in any case.
func KeepKey(path string) (*Key, error) {
	k, err := OpenKey(path, true)
	if err == nil {
		return k, nil
	}
	k = &Key{path: path, secret: make([]byte, keySize), trouble: err}
	_, _ = rand.Read(k.secret) // it never fails
	if rules.CodeOf(err) != rules.Invalid && !isDirectory(path) {
		return k, err
	}
	kept, moved := k.setAside()
	if moved != nil {
		return k, err
	}
	fresh, failed := OpenKey(path, true)
	if failed != nil {
		k.trouble = failed
		return k, failed
	}
	return fresh, rules.Errorf(rules.Unavailable, "the key file %s was damaged; it is kept as %s, and there is a new one",
		path, filepath.Base(kept))
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func (k *Key) setAside() (kept string, err error) {
	kept = rules.Aside(k.path, "damaged")
	return kept, os.Rename(k.path, kept)
}

// Trouble is why the key ends with this process; nil when it is in its file.
func (k *Key) Trouble() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.trouble
}

func (k *Key) bytes() []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.secret
}

// Look compares the file with the key in memory. One that is gone or damaged is
// written again, and so is one that holds another key, unless that opens more of
// what is sealed, which opens counts: then it is the right one, and is taken. The
// error says what was found and done, for people.
func (k *Key) Look(opens func(*Vault) int) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	file, err := os.ReadFile(k.path)
	switch {
	case err == nil && bytes.Equal(file, k.secret):
		return nil
	case k.trouble != nil:
		return k.adopt()
	case err == nil && len(file) == keySize && opens != nil &&
		opens(NewVault(&Key{secret: file})) > opens(NewVault(&Key{secret: k.secret})):
		return k.adopt()
	case err != nil && !errors.Is(err, fs.ErrNotExist) && !isDirectory(k.path):
		return rules.FileTrouble("read the key file", k.path, err)
	}
	return k.writeAgain()
}

// adopt takes the key of the file in the place of the one in memory.
func (k *Key) adopt() error {
	found, err := OpenKey(k.path, true)
	if err != nil {
		return err
	}
	k.secret, k.trouble = found.secret, nil
	return nil
}

func (k *Key) writeAgain() error {
	what := "was gone"
	if _, err := os.Lstat(k.path); err == nil {
		kept, err := k.setAside()
		if err != nil {
			return rules.FileTrouble("set aside the damaged key file", k.path, err)
		}
		what = "was damaged or replaced (what was there is kept as " + filepath.Base(kept) + ")"
	}
	if err := writeKey(k.path, k.secret); err != nil {
		return rules.FileTrouble("write again the key file", k.path, err)
	}
	return rules.Errorf(rules.Unavailable, "the key file %s %s; it was written again from memory", k.path, what)
}

// newKey writes a new key so that two starts at once agree on one.
func newKey(path string) ([]byte, error) {
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // it never fails
	if err := writeKey(path, key); errors.Is(err, fs.ErrExist) {
		return os.ReadFile(path)
	} else if err != nil {
		return nil, err
	}
	return key, nil
}

// writeKey writes a key file so that a crash leaves either none or a whole one.
// One that is there already stays.
func writeKey(path string, key []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(key)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.Rename(f.Name(), path) // a file system without hard links
}
