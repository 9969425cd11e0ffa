//go:build unix

package transfer

import (
	"crypto/sha256"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/tinyproto"
)

// endless makes a file that takes hours to hash.
func (ts *testServer) endless(t *testing.T, name string) int64 {
	const size = 1 << 42
	write(t, ts.path(name), nil)
	if err := os.Truncate(ts.path(name), size); err != nil {
		t.Skip("no sparse files of this size here: ", err)
	}
	return size
}

// A client that goes takes the work with it that it has asked for, and one that
// waits for its turn gives it up; meanwhile others are served.
//
// Verifies: TPFT-20
func TestHashingEndsWithItsClient(t *testing.T) {
	ts := serve(t, parley.Limits{}, nil)
	size := ts.endless(t, "f")
	request := func(s script, offset int64) {
		s.letter(typeDownload, field{keySource, "f"}, field{keyOffset, offset}, field{keyDigest, digest(make([]byte, 32))})
	}
	var greedy []script
	for range 5 {
		s := ts.dialScript(t)
		request(s, size)
		greedy = append(greedy, s)
	}
	// From another address, whatever the first one asks for.
	nc, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).DialContext(soon(t), "tcp", ts.addr)
	if err != nil {
		t.Skip("no second address here: ", err)
	}
	c, err := (&parley.Dialer{Protocol: tinyproto.Protocol{}}).NewConn(soon(t), nc)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	other := script{t, c}
	if runtime.GOMAXPROCS(0) > 1 {
		request(other, 1)
		other.expect(newLetter(typeOffer, field{keySize, size}, field{keyOffset, int64(0)}))
		other.letter(typeRejected, field{keyReason, "no"})
	}
	for _, s := range greedy {
		s.conn.CloseNow()
	}
	// All of the first address have gone: its turn is free.
	s := ts.dialScript(t)
	request(s, 1)
	s.expect(newLetter(typeOffer, field{keySize, size}, field{keyOffset, int64(0)}))
}

// What a client says before its request is answered comes after it, many
// requests too.
//
// Verifies: TPFT-20
func TestRequestsAhead(t *testing.T) {
	ts := serve(t, parley.Limits{}, nil)
	data := mix(100_000)
	write(t, ts.path("f"), data)
	sum := sha256.Sum256(data[:50_000])
	s := ts.dialScript(t)
	const requests = 50
	for range requests {
		s.letter(typeDownload, field{keySource, "f"}, field{keyOffset, int64(50_000)}, field{keyDigest, digest(sum[:])})
		s.letter(typeRejected, field{keyReason, "no"})
	}
	for range requests {
		s.expect(newLetter(typeOffer, field{keySize, int64(100_000)}, field{keyOffset, int64(50_000)}))
	}
}

// A file that has not changed is hashed once: here its content has, and nobody
// could know.
//
// Verifies: TPFT-20
func TestHashedOnce(t *testing.T) {
	ts := serve(t, parley.Limits{}, nil)
	data := mix(100_000)
	write(t, ts.path("f"), data)
	long := time.Now().Add(-time.Hour)
	s := ts.dialScript(t)
	sum := sha256.Sum256(data)
	offset := func(want int64) {
		t.Helper()
		if err := os.Chtimes(ts.path("f"), long, long); err != nil {
			t.Fatal(err)
		}
		s.letter(typeDownload, field{keySource, "f"}, field{keyOffset, int64(len(data))}, field{keyDigest, digest(sum[:])})
		s.expect(newLetter(typeOffer, field{keySize, int64(len(data))}, field{keyOffset, want}))
		s.letter(typeRejected, field{keyReason, "no"})
	}
	offset(100_000)
	write(t, ts.path("f"), make([]byte, len(data)))
	offset(100_000)
	long = long.Add(time.Minute)
	offset(0)
}
