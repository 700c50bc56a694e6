package notify

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"

	"github.com/9bikes/tocsin/rules"
)

// Vault seals channel credentials with AES-GCM. A sealed text is bound to the
// id and kind of its channel, so that rows cannot be swapped.
type Vault struct{ key *Key }

// OpenVault reads the key file, which only its owner may read. With create it
// makes a new one where there is none.
func OpenVault(path string, create bool) (*Vault, error) {
	key, err := OpenKey(path, create)
	if err != nil {
		return nil, err
	}
	return NewVault(key), nil
}

// NewVault seals with a key.
func NewVault(key *Key) *Vault { return &Vault{key} }

func (v *Vault) aead() (cipher.AEAD, error) {
	block, err := aes.NewCipher(v.key.bytes())
	if err != nil {
		return nil, fmt.Errorf("make the cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("make the cipher: %w", err)
	}
	return aead, nil
}

// Seal encrypts a channel's URL. With a key that is in memory only it refuses:
// nobody could open it after a restart.
func (v *Vault) Seal(id, kind string, url rules.Secret) ([]byte, error) {
	if err := v.key.Trouble(); err != nil {
		return nil, err
	}
	aead, err := v.aead()
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, []byte(url.Reveal()), bound(id, kind)), nil
}

// Open decrypts what Seal returned for the same channel.
func (v *Vault) Open(id, kind string, sealed []byte) (rules.Secret, error) {
	aead, err := v.aead()
	if err != nil {
		return rules.Secret{}, err
	}
	text, err := aead.Open(nil, nil, sealed, bound(id, kind))
	if err != nil {
		return rules.Secret{}, rules.Errorf(rules.Unavailable,
			"the credential cannot be opened with this key; add the channel again")
	}
	return rules.NewSecret(string(text)), nil
}

func bound(id, kind string) []byte { return []byte(id + "\x00" + kind) }
