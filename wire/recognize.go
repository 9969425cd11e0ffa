package wire

import "bytes"

// MaxFirst is how much of the beginning of a stream is worth looking at, in bytes.
const MaxFirst = 64

// Recognize returns the name of what a peer speaks whose stream begins with first:
// that of a Protocol of this module, or TLS, HTTP or SSH; or "". It guesses: any wire
// may begin with any bytes.
func Recognize(first []byte) string {
	switch {
	case len(first) >= 3 && (first[0] == 0x15 || first[0] == 0x16) && first[1] == 3 && first[2] <= 4:
		return "TLS"
	case bytes.HasPrefix(first, []byte{0xDE, 0xCA, 0xFE, 0xCA, 0xFE}):
		return "serpy2"
	case len(first) > 0 && first[0] == 0xFF:
		return "tinyproto"
	case bytes.HasPrefix(first, []byte("\x01SETMODE")):
		return "serpy"
	case bytes.HasPrefix(first, []byte("ping\n")), bytes.HasPrefix(first, []byte("pong\n")):
		return "oneline"
	case bytes.HasPrefix(first, []byte("HTTP/")):
		return "HTTP"
	case bytes.HasPrefix(first, []byte("SSH-")):
		return "SSH"
	}
	return ""
}
