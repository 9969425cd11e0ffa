package seal

import (
	"crypto/pbkdf2"
	"crypto/sha256"
)

// keySize is the size of a shared key in bytes.
const keySize = 32

// iterations makes a guess at a passphrase cost what OWASP recommends for
// PBKDF2-HMAC-SHA-256.
const iterations = 600_000

// PassphraseKey derives a key for [New] from a passphrase with 600,000 rounds
// of PBKDF2-HMAC-SHA-256. That takes some tenths of a second; do it once, when
// the program starts. It costs an attacker who has a recording the same for
// each guess, so a short passphrase is found in the end: take five random
// words or more, or 32 random bytes and no passphrase.
//
// context keeps the same passphrase from giving the same key elsewhere, and
// spoils lists of guesses prepared in advance: the name of the service, for
// instance. Both peers must use the same one. It needs no secrecy.
//
// An error comes only from Go's FIPS 140 mode, which wants a context of at
// least 4 bytes.
func PassphraseKey(passphrase, context string) ([]byte, error) {
	return pbkdf2.Key(sha256.New, passphrase, []byte("parley seal "+context), iterations, keySize)
}
