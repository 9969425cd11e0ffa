package natsbus

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/parley-net/parley/bus"
)

// checkCreds says what is wrong with a file of credentials, as a server says only that it does
// not take them.
func checkCreds(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("natsbus: %w: the credentials: %w", bus.ErrRefused, err)
	}
	token, err := nkeys.ParseDecoratedJWT(text)
	var user *jwt.UserClaims
	if err == nil {
		user, err = jwt.DecodeUserClaims(strings.TrimSpace(token))
	}
	if err != nil {
		return fmt.Errorf("natsbus: %w: %s has no credentials of a NATS user (as \"nsc generate creds\" writes them): %w", bus.ErrRefused, file, err)
	}
	key, err := nkeys.ParseDecoratedUserNKey(text)
	if err != nil {
		return fmt.Errorf("natsbus: %w: %s has a user's token, and not the key that belongs to it: %w", bus.ErrRefused, file, err)
	}
	defer key.Wipe()
	if public, err := key.PublicKey(); err != nil || public != user.Subject {
		return fmt.Errorf("natsbus: %w: %s has the key of another user than its token", bus.ErrRefused, file)
	}
	if at := time.Unix(user.Expires, 0); user.Expires > 0 && time.Now().After(at) {
		return fmt.Errorf("natsbus: %w: the credentials in %s have expired at %s: put new ones there", bus.ErrRefused, file, at.UTC().Format(time.RFC3339))
	}
	return nil
}

// notLetIn reports whether an error says that a server does not take our credentials, or
// no longer.
func notLetIn(err error) bool {
	for _, auth := range []error{nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAccountAuthExpired} {
		if errors.Is(err, auth) {
			return true
		}
	}
	return false
}

// who says which credentials we have shown, for people.
func (o *Options) who() string {
	switch {
	case o.Creds != "":
		return "with the credentials of " + o.Creds
	case o.User != "":
		return "as user " + o.User
	}
	return "without credentials"
}
