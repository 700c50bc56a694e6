package notify

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/9bikes/tocsin/rules"
)

// Vault seals channel credentials with AES-GCM. A sealed text is bound to the
// id and kind of its channel, so that rows cannot be swapped.
type Vault struct{ aead cipher.AEAD }

const keySize = 32

// OpenVault reads the key file, which only its owner may read. With create it
// makes a new one where there is none.
func OpenVault(path string, create bool) (*Vault, error) {
	key, err := readKey(path, create)
	if err != nil {
		return nil, err
	}
	if len(key) != keySize {
		return nil, rules.Errorf(rules.Invalid, "the key file %s is damaged: it has %d bytes instead of %d; restore it from a backup made with --with-key, or remove it and add the channels again", path, len(key), keySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make the cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("make the cipher: %w", err)
	}
	return &Vault{aead}, nil
}

// readKey reads a key file, or with create makes it where there is none.
func readKey(path string, create bool) ([]byte, error) {
	key, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && create {
		key, err = newKey(path)
	}
	if err != nil {
		return nil, rules.Errorf(rules.Unavailable, "the key file %s cannot be read; run this as the owner of the data directory (%v)", path, errors.Unwrap(err))
	}
	return key, nil
}

// newKey writes a key so that a crash leaves either none or a whole one, and
// two starts at once agree on one.
func newKey(path string) ([]byte, error) {
	key := make([]byte, keySize)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(key)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, err
	}
	if err := os.Link(f.Name(), path); errors.Is(err, fs.ErrExist) {
		return os.ReadFile(path)
	} else if err != nil {
		return key, os.Rename(f.Name(), path) // a file system without hard links
	}
	return key, nil
}

// Seal encrypts a channel's URL.
func (v *Vault) Seal(id, kind string, url rules.Secret) ([]byte, error) {
	return v.aead.Seal(nil, nil, []byte(url.Reveal()), bound(id, kind)), nil
}

// Open decrypts what Seal returned for the same channel.
func (v *Vault) Open(id, kind string, sealed []byte) (rules.Secret, error) {
	text, err := v.aead.Open(nil, nil, sealed, bound(id, kind))
	if err != nil {
		return rules.Secret{}, rules.Errorf(rules.Unavailable, "the credential cannot be opened with this key; add the channel again")
	}
	return rules.NewSecret(string(text)), nil
}

func bound(id, kind string) []byte { return []byte(id + "\x00" + kind) }
