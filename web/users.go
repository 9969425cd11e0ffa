package web

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Scope is what a user may do with a target.
type Scope uint8

const (
	Read  Scope = 1 << iota // subscribe
	Send                    // send and call
	Kill                    // end connections
	Admin                   // see and steer what is not one target's
	All   = Read | Send | Kill | Admin
)

var scopeNames = []string{"read", "send", "kill", "admin"}

// String lists the scopes: "read,send".
func (s Scope) String() string {
	var names []string
	for i, name := range scopeNames {
		if s&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// ParseScope reads a list as String writes it.
func ParseScope(text string) (Scope, error) {
	var s Scope
	for name := range strings.SplitSeq(text, ",") {
		i := slices.Index(scopeNames, strings.TrimSpace(name))
		if i < 0 {
			return 0, fmt.Errorf("there is no scope %q: use %s", name, strings.Join(scopeNames, ", "))
		}
		s |= 1 << i
	}
	return s, nil
}

// Grant is what somebody may do. The scopes of the target named "*" count for every one.
type Grant map[string]Scope

// May reports whether the grant has all of s for a target.
func (g Grant) May(target string, s Scope) bool { return (g["*"]|g[target])&s == s }

// User is somebody who has a token.
type User struct {
	Name  string
	Hash  [sha256.Size]byte // of the token
	Grant Grant
}

// NewToken returns a token for a new user: the token for the user, the User for the door.
func NewToken(name string, g Grant) (string, User) {
	random := make([]byte, 32)
	rand.Read(random)
	token := base64.RawURLEncoding.EncodeToString(random)
	return token, User{Name: name, Hash: sha256.Sum256([]byte(token)), Grant: g}
}

// String is the user's line in a file of users: name, hash, and TARGET=SCOPES for each
// target.
func (u User) String() string {
	parts := []string{u.Name, hex.EncodeToString(u.Hash[:])}
	for target, s := range u.Grant {
		parts = append(parts, target+"="+s.String())
	}
	slices.Sort(parts[2:])
	return strings.Join(parts, " ")
}

// Users are those who may come in.
type Users []User

// ReadUsers reads a file of users: a line for each, as User.String writes it. Blank lines
// and those that begin with # are skipped. name is the file's, for errors.
func ReadUsers(name string, r io.Reader) (Users, error) {
	var users Users
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		u, err := parseUser(strings.Fields(text))
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
		if slices.ContainsFunc(users, func(other User) bool { return other.Name == u.Name }) {
			return nil, fmt.Errorf("%s:%d: user %s is there twice", name, n, u.Name)
		}
		users = append(users, u)
	}
	return users, lines.Err()
}

func parseUser(fields []string) (User, error) {
	if len(fields) < 3 {
		return User{}, fmt.Errorf("want a name, the hash of a token, and TARGET=SCOPES: parley web token prints such a line")
	}
	u := User{Name: fields[0], Grant: make(Grant)}
	if n, err := hex.Decode(u.Hash[:], []byte(fields[1])[:min(len(fields[1]), 2*sha256.Size)]); err != nil || n != sha256.Size || len(fields[1]) != 2*sha256.Size {
		return u, fmt.Errorf("user %s: the hash is not 64 hexadecimal digits", u.Name)
	}
	for _, f := range fields[2:] {
		target, scopes, ok := strings.Cut(f, "=")
		if !ok || target == "" {
			return u, fmt.Errorf("user %s: %q is not TARGET=SCOPES", u.Name, f)
		}
		s, err := ParseScope(scopes)
		if err != nil {
			return u, fmt.Errorf("user %s: %w", u.Name, err)
		}
		u.Grant[target] |= s
	}
	return u, nil
}

// find returns the user whose token it is.
func (us Users) find(token string) (User, bool) {
	hash := sha256.Sum256([]byte(token))
	var found User
	ok := false
	for _, u := range us { // all of them: how long it takes tells nothing
		if subtle.ConstantTimeCompare(u.Hash[:], hash[:]) == 1 {
			found, ok = u, true
		}
	}
	return found, ok
}
