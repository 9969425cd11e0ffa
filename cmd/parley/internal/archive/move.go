package archive

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/parley-net/parley/cmd/parley/internal/pcapng"
	"github.com/parley-net/parley/cmd/parley/internal/render"
	"github.com/parley-net/parley/recording"
	"github.com/parley-net/parley/store"
	"github.com/parley-net/parley/store/sqlite"
)

// Formats are the formats that Export writes.
var Formats = []string{"jsonl", "csv", "pcapng", "npy"}

// Export writes a session in one of Formats.
func Export(ctx context.Context, db *sqlite.DB, session int64, format string, to io.Writer) error {
	if _, err := db.Session(ctx, session); err != nil {
		return err
	}
	w := bufio.NewWriterSize(to, 64<<10)
	var err error
	switch format {
	case "jsonl":
		err = exportLines(ctx, db, session, w)
	case "csv":
		err = exportCSV(ctx, db, session, w)
	case "pcapng":
		err = exportPackets(ctx, db, session, w)
	case "npy":
		err = exportNumbers(ctx, db, session, w)
	default:
		return fmt.Errorf("there is no format %q: use %s", format, strings.Join(Formats, ", "))
	}
	if err != nil {
		return err
	}
	return w.Flush()
}

func exportLines(ctx context.Context, db *sqlite.DB, session int64, w io.Writer) error {
	var line []byte
	return db.Find(ctx, store.Query{Session: session}, func(f store.Found) (err error) {
		if line, err = AppendLine(line[:0], &f.Entry); err == nil {
			_, err = w.Write(line)
		}
		return err
	})
}

// exportCSV writes a row for each entry: what is text as it is, bytes as base64.
func exportCSV(ctx context.Context, db *sqlite.DB, session int64, w io.Writer) error {
	out := csv.NewWriter(w)
	if err := out.Write([]string{"time", "ts", "conn", "peer", "dir", "event", "kind", "value", "encoding"}); err != nil {
		return err
	}
	err := db.Find(ctx, store.Query{Session: session}, func(f store.Found) error {
		value, encoding := string(f.Body), ""
		switch f.Form {
		case store.FormBytes:
			value, encoding = base64.StdEncoding.EncodeToString(f.Body), "base64"
		case store.FormJSON:
			encoding = "json"
		}
		return out.Write([]string{
			f.Time.UTC().Format(time.RFC3339Nano), strconv.FormatFloat(f.At.Seconds(), 'f', 6, 64), strconv.FormatInt(f.Conn, 10),
			f.Peer, f.Dir, f.Event, f.Kind, value, encoding,
		})
	})
	out.Flush()
	return errors.Join(err, out.Error())
}

// exportPackets writes the messages' values as TCP payload. What the wire put around
// them is not in the store.
func exportPackets(ctx context.Context, db *sqlite.DB, session int64, w io.Writer) error {
	pw := pcapng.NewWriter(w, "parley", "session "+strconv.FormatInt(session, 10)+": the values of messages, without what the protocol puts around them")
	flows := make(map[int64]*pcapng.Flow)
	err := db.Find(ctx, store.Query{Session: session}, func(f store.Found) error {
		flow := flows[f.Conn]
		if flow == nil {
			client, err := netip.ParseAddrPort(f.Peer)
			if err != nil {
				client = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(40_000+f.Conn%20_000))
			}
			flow = pw.Open(f.Time, client, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 5000))
			flows[f.Conn] = flow
		}
		client := f.Dir != string(recording.ToClient)
		switch {
		case f.Event == "" && len(f.Body) > 0:
			flow.Data(f.Time, client, f.Body)
		case f.Event == string(recording.End):
			flow.Fin(f.Time, client)
		case f.Event == string(recording.Reset):
			flow.Reset(f.Time, client)
		}
		return nil
	})
	return errors.Join(err, pw.Flush())
}

// exportNumbers writes the answers as an array: bytes that all have one length as uint8
// (messages, length), numbers as float64 with the time in front, (messages, 1 + numbers).
func exportNumbers(ctx context.Context, db *sqlite.DB, session int64, w io.Writer) error {
	var bodies [][]byte
	var rows [][]float64
	asBytes, asNumbers := true, true
	err := db.Find(ctx, store.Query{Session: session}, func(f store.Found) error {
		if f.Event != "" || f.Dir != string(recording.ToClient) {
			return nil
		}
		if len(bodies) > 0 && len(f.Body) != len(bodies[0]) || f.Form != store.FormBytes {
			asBytes = false
		}
		if asBytes {
			bodies = append(bodies, f.Body)
		}
		row := numbers(string(f.Body))
		if f.Form != store.FormText || row == nil || len(rows) > 0 && len(row)+1 != len(rows[0]) {
			asNumbers = false
		}
		if asNumbers {
			rows = append(rows, append([]float64{f.At.Seconds()}, row...))
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case asBytes && len(bodies) > 0:
		b, err := render.NPY(bytes.Join(bodies, nil), render.Uint8, len(bodies[0]), len(bodies))
		if err != nil {
			return err
		}
		_, err = w.Write(b)
		return err
	case asNumbers && len(rows) > 0:
		return render.NPYFloats(w, rows)
	}
	return fmt.Errorf("session %d is no array: npy wants answers that are all numbers, as many in each, or all bytes of one length; csv takes everything", session)
}

// numbers returns the numbers of a text such as "1.5" or "1,2e3,-4", or nil.
func numbers(text string) []float64 {
	var all []float64
	for field := range strings.SplitSeq(text, ",") {
		f, err := strconv.ParseFloat(strings.TrimSpace(field), 64)
		if err != nil {
			return nil
		}
		all = append(all, f)
	}
	return all
}

// FoundLine appends a line of JSON for what was found: the recording's keys, with the
// session in front and the point in time in place of the seconds.
func FoundLine(dst []byte, f *store.Found) ([]byte, error) {
	e, _, err := fromStore(&f.Entry)
	if err != nil {
		return dst, err
	}
	b := bytes.NewBuffer(dst)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	err = enc.Encode(struct {
		Session int64           `json:"session"`
		TS      time.Time       `json:"ts"`
		Conn    int64           `json:"conn"`
		Peer    string          `json:"peer,omitempty"`
		Dir     recording.Dir   `json:"dir,omitempty"`
		Event   recording.Event `json:"event,omitempty"`
		Proto   string          `json:"proto,omitempty"`
		Prompt  string          `json:"prompt,omitempty"`
		recording.Value
		Error string `json:"error,omitempty"`
		Note  string `json:"note,omitempty"`
	}{f.Session, f.Time.UTC(), f.Conn, f.Peer, e.Dir, e.Event, e.Proto, e.Prompt, e.Value, e.Error, e.Note})
	return b.Bytes(), err
}
