package pickle

import (
	"errors"
	"testing"
)

// FuzzDecode checks that any input gives a value or an *Error, within the
// limits, and that what is read can be written and is then read as the same.
//
// Verifies: PICKLE-08
func FuzzDecode(f *testing.F) {
	for _, c := range opcodes {
		f.Add([]byte(c.in))
	}
	for _, c := range hostile {
		f.Add([]byte(c.make(100)))
	}
	f.Add([]byte("\x80\x04c__builtin__\nbytearray\nq\x00)R)Rq\x01.")) // protocol 2 would make it a value
	for _, v := range pythonValues(f) {
		for _, p := range v.pickles {
			if len(p) < 300 {
				f.Add(p)
			}
		}
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		d := decoder{in: in, limits: Limits{MaxMemory: 1 << 20}.orDefaults(len(in))}
		v, err := d.decode()
		if d.spent > 1<<20 {
			t.Fatalf("%d bytes spent", d.spent)
		}
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || v != nil || e.Offset > len(in) || e.Error() == "" {
				t.Fatalf("%v, %v", v, err)
			}
			return
		}
		repr := Repr(v)
		for _, protocol := range []int{2, 4, 5} {
			p, err := AppendCalls(nil, v, protocol)
			if err != nil {
				continue // an unhashable key, entangled tuples, a name that protocol 2 can't write
			}
			if len(p) > 1000+100*len(in) {
				t.Errorf("%d bytes become %d", len(in), len(p))
			}
			again, err := Decode(p, Limits{})
			if err != nil {
				t.Fatalf("protocol %d: %q written as %q: %v", protocol, in, p, err)
			}
			if got := Repr(again); got != repr {
				t.Fatalf("protocol %d: %q written as %q:\n%s became\n%s", protocol, in, p, repr, got)
			}
		}
	})
}
