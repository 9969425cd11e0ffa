package transfer

import (
	"bytes"
	"io/fs"
	"strconv"
	"time"
)

// meta is what two peers of this package keep of a file besides its content.
type meta struct {
	mode fs.FileMode // permissions
	time time.Time   // of the last change
}

func metaOf(info fs.FileInfo) *meta { return &meta{info.Mode().Perm(), info.ModTime()} }

// fields are its keys in a letter.
func (m *meta) fields() []field {
	return []field{{keyMode, int64(m.mode)}, {keyTime, m.time.UnixNano()}}
}

// meta returns what a letter says of a file, or nil.
func (l letter) meta() (*meta, error) {
	if !l.has(keyMode) || !l.has(keyTime) {
		return nil, nil
	}
	mode, err := l.count(keyMode)
	if err != nil {
		return nil, err
	}
	raw := bytes.TrimSpace(l.body[keyTime])
	ns, err := strconv.ParseInt(string(raw), 10, 64) // negative: before 1970
	if err != nil {
		return nil, refusef("%s is %.40s, which are no nanoseconds", keyTime, raw)
	}
	return &meta{fs.FileMode(mode) & fs.ModePerm, time.Unix(0, ns)}, nil
}
