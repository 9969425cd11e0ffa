package app

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/parley-net/parley/transfer"
)

// An error of which a peer has said a part is as long as somebody reads, in one line where it
// should be, and acts on no terminal. What is missing is told.
func TestComplaintsAreBounded(t *testing.T) {
	long := strings.Repeat("\x1b[2Jé", 10_000)
	for name, err := range map[string]error{
		"a reason":    &transfer.RejectedError{Reason: long},
		"one line":    errors.New(long),
		"with a hint": fmt.Errorf("refused: %s\n  try %s", long, long),
		"many lines":  errors.New(strings.Repeat("no\n", 50_000)),
	} {
		for _, form := range []logForm{LogText, LogJSON} {
			var out bytes.Buffer
			(&App{Errs: &out, LogForm: form}).Complain(err)
			if n := out.Len(); n > 80<<10 {
				t.Errorf("%s, %s: %d bytes", name, form, n)
			}
			if s := out.String(); strings.ContainsAny(s, "\x1b\ufffd") || !strings.Contains(s, " bytes more)") {
				t.Errorf("%s, %s: %.60q…", name, form, s)
			}
		}
	}
	var out bytes.Buffer
	(&App{Errs: &out}).Complain(errors.New(strings.Repeat("x", maxLine) + "\n  a hint"))
	if strings.Contains(out.String(), "more)") {
		t.Error("what fits is cut")
	}
}
