package recorded

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"path"
	"strconv"
	"strings"
	"testing"

	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

//go:embed testdata/vectors
var vectors embed.FS

// A Transcript is one recorded conversation with an original program; see
// testdata/vectors/README.md.
type Transcript struct {
	Name        string
	Protocol    string
	Version     string
	Description string
	Client      string         // "original" or "raw"
	Server      string         // "original" or "raw"
	Setup       map[string]any // settings that differ from the defaults
	Race        bool           // some order in Steps is not forced by cause and effect
	RaceNote    string
	API         []Entry
	Steps       []Step
}

// A Step is some bytes of one direction, or the first close of a connection.
type Step struct {
	Conn   int       // the connection in accept order
	From   wire.Role // who sent it: Dialing is "c2s", Accepting "s2c"
	Bytes  []byte
	Event  string // "", "fin" or "rst"
	Race   bool   // it and its neighbour with the same flag may change places
	Chunks []int  // sizes of the original segments, where they matter
}

// An Entry is what an original's API was asked or said. Call or Event is set.
type Entry struct {
	Side  string // client, server, raw, client2, ...
	Call  string
	Event string
	// Values holds "result" or "raises" of a call, the named values of an event.
	Values map[string]Value
}

// A Value is a Python value. Type is the Python type's name; the field that
// fits it is set.
type Value struct {
	Type  string
	Bytes []byte   // bytes; also str, as UTF-8
	Text  string   // str, int, float, exceptions
	Int   *big.Int // int
	Float float64  // float
	Bool  bool     // bool
	Repr  string   // other types
}

// Message returns v as a message: bytes, str, int and float by their type,
// other values as their text.
func (v Value) Message() wire.Message {
	switch v.Type {
	case "bytes":
		return wire.Bytes(v.Bytes)
	case "int":
		return wire.BigInt(v.Int)
	case "float":
		return wire.Float(v.Float)
	}
	return wire.Text(v.Text + v.Repr)
}

// Stream returns all bytes that role sent on the connection conn.
func (tr Transcript) Stream(conn int, role wire.Role) []byte {
	var b []byte
	for _, s := range tr.Steps {
		if s.Conn == conn && s.From == role {
			b = append(b, s.Bytes...)
		}
	}
	return b
}

// Values returns the values named key of all entries of side whose call or
// event begins with name. An empty side stands for all sides.
func (tr Transcript) Values(side, name, key string) []Value {
	var values []Value
	for _, e := range tr.API {
		if (side == "" || e.Side == side) && strings.HasPrefix(e.Call+e.Event, name) {
			if v, ok := e.Values[key]; ok {
				values = append(values, v)
			}
		}
	}
	return values
}

// Load returns the transcripts of one folder (oneline, tinyproto,
// serpy, serpy2, tpft, line) in the order of their names, all bytes regenerated and
// their checksums verified.
func Load(tb testing.TB, folder string) []Transcript {
	tb.Helper()
	files, err := vectors.ReadDir(path.Join("testdata/vectors", folder))
	if err != nil {
		tb.Fatal(err)
	}
	all := make([]Transcript, len(files))
	for i, f := range files {
		all[i] = Find(tb, folder, strings.TrimSuffix(f.Name(), ".json"))
	}
	return all
}

// Streams returns what each side says on each connection of the transcripts of
// a folder, each stream once, for the machine that receives it. Streams longer
// than longest bytes are left out.
func Streams(tb testing.TB, folder string, longest int) []wiretest.Stream {
	tb.Helper()
	var all []wiretest.Stream
	seen := make(map[string]bool)
	for _, tr := range Load(tb, folder) {
		size := make(map[direction]int)
		for _, step := range tr.Steps {
			size[direction{step.Conn, step.From}] += len(step.Bytes)
		}
		for d, n := range size {
			if n == 0 || n > longest {
				continue
			}
			b := tr.Stream(d.conn, d.from)
			if key := d.from.String() + string(b); !seen[key] {
				seen[key] = true
				all = append(all, wiretest.Stream{Name: tr.Name, Role: d.from.Peer(), Bytes: b})
			}
		}
	}
	return all
}

// direction is what one side says on one connection.
type direction struct {
	conn int
	from wire.Role
}

// Find returns the transcript folder/name.
func Find(tb testing.TB, folder, name string) Transcript {
	tb.Helper()
	data, err := vectors.ReadFile(path.Join("testdata/vectors", folder, name+".json"))
	if err != nil {
		tb.Fatal(err)
	}
	var tr Transcript
	if err := json.Unmarshal(data, &tr); err != nil {
		tb.Fatalf("%s/%s: %v", folder, name, err)
	}
	return tr
}

// blob is a byte string as the files have it: literal, or a pattern with the
// checksum of what it has to give.
type blob struct {
	Hex     *string `json:"hex"`
	Len     int     `json:"len"`
	SHA256  string  `json:"sha256"`
	Pattern []part  `json:"pattern"`
}

func (b blob) bytes() ([]byte, error) {
	if b.Hex != nil {
		return hex.DecodeString(*b.Hex)
	}
	p, err := appendParts(make([]byte, 0, b.Len), b.Pattern)
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(p); hex.EncodeToString(sum[:]) != b.SHA256 {
		return nil, fmt.Errorf("a pattern of %d bytes does not have its checksum %s", b.Len, b.SHA256)
	}
	return p, nil
}

// UnmarshalJSON reads a step as the files have it.
func (s *Step) UnmarshalJSON(data []byte) error {
	var f struct {
		blob
		Conn   int    `json:"conn"`
		Dir    string `json:"dir"`
		Event  string `json:"event"`
		Race   bool   `json:"race"`
		Chunks []int  `json:"chunks"`
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return err
	}
	*s = Step{Conn: f.Conn, Event: f.Event, Race: f.Race, Chunks: f.Chunks}
	switch f.Dir {
	case "c2s":
		s.From = wire.Dialing
	case "s2c":
		s.From = wire.Accepting
	default:
		return fmt.Errorf("unknown direction %q", f.Dir)
	}
	if f.Event != "" {
		return nil
	}
	var err error
	s.Bytes, err = f.bytes()
	return err
}

// UnmarshalJSON reads an entry as the files have it.
func (e *Entry) UnmarshalJSON(data []byte) error {
	var f map[string]json.RawMessage
	if err := json.Unmarshal(data, &f); err != nil {
		return err
	}
	*e = Entry{Values: map[string]Value{}}
	for key, raw := range f {
		var err error
		switch key {
		case "side":
			err = json.Unmarshal(raw, &e.Side)
		case "call":
			err = json.Unmarshal(raw, &e.Call)
		case "event":
			err = json.Unmarshal(raw, &e.Event)
		default:
			var v Value
			err = json.Unmarshal(raw, &v)
			e.Values[key] = v
		}
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

// UnmarshalJSON reads a value as the files have it. A bare JSON string is a
// note and becomes a str.
func (v *Value) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		*v = Value{Type: "str"}
		err := json.Unmarshal(data, &v.Text)
		v.Bytes = []byte(v.Text)
		return err
	}
	var f struct {
		blob
		Type     string `json:"type"`
		Text     string `json:"text"`
		HexFloat string `json:"hexfloat"`
		Value    bool   `json:"value"`
		Repr     string `json:"repr"`
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return err
	}
	*v = Value{Type: f.Type, Text: f.Text, Bool: f.Value, Repr: f.Repr}
	var err error
	switch {
	case f.Hex != nil || f.Pattern != nil:
		v.Bytes, err = f.bytes()
		if f.Type == "str" {
			v.Text = string(v.Bytes)
		}
	case f.Type == "str":
		v.Bytes = []byte(f.Text)
	case f.Type == "int":
		var ok bool
		if v.Int, ok = new(big.Int).SetString(f.Text, 10); !ok {
			err = fmt.Errorf("bad int %q", f.Text)
		}
	case f.Type == "float":
		// ParseFloat reads hexadecimal floats, inf and nan as Python writes them.
		v.Float, err = strconv.ParseFloat(f.HexFloat, 64)
	}
	return err
}
