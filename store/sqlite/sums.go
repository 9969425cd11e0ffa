package sqlite

import (
	"encoding/binary"
	"hash/crc32"
)

// row is a row of msg, as its checksum sees it.
type row struct {
	session, seq, at, conn int64
	dir, event, kind       string
	form, big              int64
	body, meta             []byte
}

func (w *row) sum() int64 {
	sum := checksum([]int64{w.session, w.seq, w.at, w.conn, w.form, w.big, int64(len(w.body))}, w.dir, w.event, w.kind)
	sum = crc32.Update(sum, castagnoli, w.body)
	return int64(crc32.Update(sum, castagnoli, w.meta))
}

// sessionRow is a row of session, as its checksum sees it: without its number, which
// the store gives, and which its messages have in their own. ended is 0 until it has.
type sessionRow struct {
	began, ended int64
	source, url  string
}

func (w *sessionRow) sum() int64 {
	return int64(checksum([]int64{w.began, w.ended}, w.source, w.url))
}

// connSum is the checksum of a row of conn.
func connSum(session, conn int64, peer string) int64 {
	return int64(checksum([]int64{session, conn}, peer))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is the crc32c of each field, a length in front of what can have any, so that
// no two rows have the same bytes.
func checksum(numbers []int64, texts ...string) uint32 {
	buf := make([]byte, 0, 256)
	for _, n := range numbers {
		buf = binary.LittleEndian.AppendUint64(buf, uint64(n))
	}
	for _, s := range texts {
		buf = binary.AppendUvarint(buf, uint64(len(s)))
		buf = append(buf, s...)
	}
	return crc32.Update(0, castagnoli, buf)
}
