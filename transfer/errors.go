package transfer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"
)

// RejectedError says that the peer did not take a file, or did not give it.
type RejectedError struct {
	Transfer Transfer
	Reason   string // in the peer's words
}

// maxReason is how much of a reason an error prints, in bytes. One of ours names a path.
const maxReason = maxPath + 1024

// Error names the file and the reason, without control characters and cut to a few
// kilobytes; Reason has all of it.
func (e *RejectedError) Error() string {
	reason := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, e.Reason)
	if n := len(reason) - maxReason; n > 0 {
		reason = fmt.Sprintf("%s… (%d bytes more)", strings.ToValidUTF8(reason[:maxReason], ""), n)
	}
	return fmt.Sprintf("transfer: %v rejected: %s", e.Transfer, reason)
}

var (
	// ErrChanged: the file changed while it was sent. Send it again.
	ErrChanged = errors.New("the file changed while it was sent; send it again")
	// ErrBusy: the file is being written by another transfer.
	ErrBusy = errors.New("another transfer is writing this file; try again later")
)

// refusal is the reason for a rejection, as the peer will read it.
type refusal string

func (r refusal) Error() string { return string(r) }

func refusef(format string, args ...any) error { return refusal(fmt.Sprintf(format, args...)) }

// reason returns the reason for rejecting the file that the peer calls path:
// a refusal as it stands, an error of the system as Python prints it. It never
// tells where on this machine the folder is.
func reason(err error, path string) string {
	var r refusal
	var no syscall.Errno
	var pe *fs.PathError
	var le *os.LinkError
	isErrno := errors.As(err, &no)
	switch {
	case errors.As(err, &r):
		return string(r)
	case no == syscall.ENOENT || errors.Is(err, fs.ErrNotExist):
		return "[Errno 2] No such file or directory: " + quote(path)
	case no == syscall.EISDIR:
		return "[Errno 21] Is a directory: " + quote(path)
	case no == syscall.EROFS:
		return "[Errno 30] Read-only file system: " + quote(path)
	case isErrno && runtime.GOOS != "windows":
		return fmt.Sprintf("[Errno %d] %s: %s", int(no), capital(no.Error()), quote(path))
	case isErrno:
		return capital(no.Error()) + ": " + quote(path)
	case errors.As(err, &pe):
		return fmt.Sprintf("%v: %s", pe.Err, quote(path))
	case errors.As(err, &le):
		return fmt.Sprintf("%v: %s", le.Err, quote(path))
	}
	return err.Error()
}

func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}

// quote quotes s as Python's repr does.
func quote(s string) string {
	mark := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		mark = '"'
	}
	b := []byte{mark}
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			b = fmt.Appendf(b, `\udc%02x`, s[0])
		case r == rune(mark) || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case unicode.IsPrint(r):
			b = append(b, s[:n]...)
		case r <= 0xFF:
			b = fmt.Appendf(b, `\x%02x`, r)
		case r <= 0xFFFF:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = fmt.Appendf(b, `\U%08x`, r)
		}
		s = s[n:]
	}
	return string(append(b, mark))
}
