package bridge

import (
	"context"
	"encoding/hex"
	"errors"
	"math"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy/pickle"
)

// The tables of docs/bridge.md are made by sending each message through a
// bridge and looking at what arrives.
//
// Verifies: CARRY-01
func TestDocumentedTable(t *testing.T) {
	doc, err := os.ReadFile("../../../../docs/bridge.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(doc), "\n")
	columns := []struct {
		title string
		wire  parley.Protocol
	}{
		{"oneline client", nil}, {"oneline server", one}, {"oneline server, `?utf8=1`", oneline.Protocol{UTF8: true}},
		{"tinyproto", tiny}, {"serpy", ser}, {"serpy, `?mode=4`", serpy.Protocol{Mode: 4}}, {"serpy2", ser2}, {"line, scpi", lined}, {"frame", frames},
	}
	huge := new(big.Int).Lsh(big.NewInt(1), 70)
	rows := []struct {
		title string
		m     parley.Message // as serpy sends it
		plain parley.Message // as serpy2 sends it; serpy to serpy keeps everything as it is
	}{
		{"text `volt 1.5`", parley.Object("volt 1.5"), parley.Text("volt 1.5")},
		{"text `grün`", parley.Object("grün"), parley.Text("grün")},
		{"text of two lines", parley.Object("a\nb"), parley.Text("a\nb")},
		{"text `ping`", parley.Object("ping"), parley.Text("ping")},
		{"bytes `ab`", parley.Bytes([]byte("ab")), parley.Bytes([]byte("ab"))},
		{"bytes `00ff`", parley.Bytes([]byte{0, 0xFF}), parley.Bytes([]byte{0, 0xFF})},
		{"int `-5`", parley.Object(int64(-5)), parley.Int(-5)},
		{"int `2^70`", parley.Object(huge), parley.Message{}},
		{"float `1.5`", parley.Object(1.5), parley.Float(1.5)},
		{"float `nan`", parley.Object(math.NaN()), parley.Float(math.NaN())},
		{"object `[1, 'a']`", parley.Object(&pickle.List{Items: []any{int64(1), "a"}}), parley.Message{}},
	}
	title, rule := "| a message |", "|---|"
	for _, c := range columns {
		title += " to " + c.title + " |"
		rule += "---|"
	}
	table := []string{title, rule}
	for _, row := range rows {
		line := "| " + row.title + " |"
		for _, c := range columns {
			_, toSerpy := c.wire.(serpy.Protocol)
			switch {
			case c.wire == nil:
				line += cell(answered(t, row.m))
			case toSerpy && row.plain.Type() == parley.TypeBytes && row.plain.Len() == 0:
				line += cell(arrives(t, ser, c.wire, row.m))
			case toSerpy:
				line += cell(arrives(t, ser2, c.wire, row.plain))
			default:
				line += cell(arrives(t, ser, c.wire, row.m))
			}
		}
		table = append(table, line)
	}
	for _, line := range table {
		if !slices.Contains(lines, line) {
			t.Fatalf("docs/bridge.md does not have the line\n%s\nThe whole table is\n%s", line, strings.Join(table, "\n"))
		}
	}
}

// arrives returns what a target receives when a client sends m.
func arrives(t *testing.T, from, to parley.Protocol, m parley.Message) (got parley.Message, err error) {
	synctest.Test(t, func(t *testing.T) {
		came := make(chan parley.Message, 1)
		s := bridged(t, from, to, func(_ context.Context, _ *parley.Conn, m parley.Message) error {
			came <- m.Clone()
			return nil
		}, nil)
		c := s.client()
		if err = c.Send(t.Context(), m); err != nil {
			t.Fatalf("sending %v: %v", m, err)
		}
		select {
		case got = <-came:
		case <-c.Context().Done():
			err = errors.New("closed")
		case <-time.After(time.Minute):
			err = errors.New("nothing came")
		}
	})
	return got, err
}

// answered returns what a oneline client receives when a target answers m.
func answered(t *testing.T, m parley.Message) (got parley.Message, err error) {
	synctest.Test(t, func(t *testing.T) {
		s := bridged(t, one, ser, func(ctx context.Context, c *parley.Conn, _ parley.Message) error {
			return c.Send(ctx, m)
		}, nil)
		c := s.client()
		got, err = c.Call(t.Context(), parley.Text("get"))
		if strings.HasPrefix(got.Text(), "error: the answer can't be carried: ") {
			err = errors.New(got.Text())
		}
	})
	return got, err
}

// cell describes what has arrived.
func cell(m parley.Message, err error) string {
	if err != nil {
		return " error |"
	}
	value := ""
	switch b := m.Bytes(); m.Type() {
	case parley.TypeText:
		value = string(b)
	case parley.TypeBytes:
		if value = string(b); !utf8.Valid(b) {
			value = hex.EncodeToString(b)
		}
	case parley.TypeObject:
		value = pickle.Repr(m.Object())
	default:
		value = m.Text()
	}
	value = strings.ReplaceAll(value, "1180591620717411303424", "2^70")
	if strings.Contains(value, "\n") {
		return " " + m.Type().String() + " of two lines |"
	}
	return " " + m.Type().String() + " `" + value + "` |"
}
