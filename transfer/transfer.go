package transfer

import "fmt"

const (
	// DefaultPort is the TCP port of tpft.
	DefaultPort = 8088

	// MaxLetter is the largest letter in bytes. With Limits.MaxMessage set to
	// it, parley holds no file data in memory: larger messages are streamed.
	MaxLetter = 64 << 10

	// PartSuffix ends the name of a file that is not complete.
	PartSuffix = ".parley.part"
)

// defaultMessageSize is the size of the originals' data messages.
const defaultMessageSize = 4 << 20

// pieceSize is how much of a file is read or written at a time, at most. A sender
// that has not yet sent as much at once gets firstPiece.
const (
	pieceSize  = 1 << 20
	firstPiece = 64 << 10
)

// A Transfer is the state of one file on its way.
type Transfer struct {
	Path    string // the file on the server
	Upload  bool   // from the client to the server
	Size    int64  // of the whole file in bytes; -1 while it is not known
	Resumed int64  // bytes that were there from an earlier attempt
	Done    int64  // bytes that are there now, those included
}

// String says which file goes where.
func (t Transfer) String() string {
	if t.Upload {
		return fmt.Sprintf("upload of %q", t.Path)
	}
	return fmt.Sprintf("download of %q", t.Path)
}
