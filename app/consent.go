package app

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/9bikes/tocsin/rules"
)

// ConsentLasts is how long a consent can be used.
const ConsentLasts = 10 * time.Minute

// macSize is how many bytes of the seal are kept: 128 bits cannot be guessed.
const macSize = 16

// AsksFirst reports whether a person is to agree before a rule is switched off:
// when an open alarm, or one that is about to be, goes with it. One that is
// quiet is easily switched on again.
func (v RuleView) AsksFirst() bool { return v.Firing+v.Pending > 0 }

// Consent returns a sealed token that stands for having been asked about an
// act, which about describes. CheckConsent knows it again, in whatever process
// works on the same store, for as long as ConsentLasts.
func (a *App) Consent(ctx context.Context, about ...string) (string, error) {
	ends := binary.BigEndian.AppendUint64(nil, uint64(a.Time().Add(ConsentLasts).Unix()))
	mac, err := a.consentSeal(ctx, ends, about)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(append(ends, mac...)), nil
}

// CheckConsent refuses a token that was not given for what about describes, or
// is too old.
func (a *App) CheckConsent(ctx context.Context, token string, about ...string) error {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) != 8+macSize {
		return rules.FieldErrorf("confirm", "is not a token that an answer gave; leave it out to get one")
	}
	ends, mac := raw[:8], raw[8:]
	want, err := a.consentSeal(ctx, ends, about)
	switch {
	case err != nil:
		return err
	case !hmac.Equal(mac, want):
		return rules.Errorf(rules.Conflict,
			"confirm: was given for another act, or what it is about has changed since; leave it out to see what would happen "+
				"now")
	case a.Time().Unix() > int64(binary.BigEndian.Uint64(ends)):
		return rules.Errorf(rules.Conflict, "confirm: is more than %d minutes old; leave it out to be asked anew",
			ConsentLasts/time.Minute)
	}
	return nil
}

// consentSeal is the same for the same act in every process. Each part goes in
// with its length, so that none can run into the next.
func (a *App) consentSeal(ctx context.Context, ends []byte, about []string) ([]byte, error) {
	key, err := a.Store.Secret(ctx, "consent")
	if err != nil {
		return nil, fmt.Errorf("read the key of consents: %w", err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(ends)
	for _, part := range about {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		mac.Write([]byte(part))
	}
	return mac.Sum(nil)[:macSize], nil
}
