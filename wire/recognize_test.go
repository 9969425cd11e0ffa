package wire

import "testing"

func TestRecognize(t *testing.T) {
	for first, want := range map[string]string{
		"": "", "\x15\x03\x01\x00\x02": "TLS", "\x16\x03\x04": "TLS", "\x16\x03\x05": "", "\x16\x03": "",
		"\xde\xca\xfe\xca\xfe\x21": "serpy2", "\xde\xca\xfe": "", "\xff": "tinyproto", "\x01SETMODE4": "serpy",
		"ping\n": "oneline", "pong\n": "oneline", "pong": "", "HTTP/1.1 400": "HTTP", "SSH-2.0": "SSH", "ACME,PSU3\n": "",
	} {
		if got := Recognize([]byte(first)); got != want {
			t.Errorf("%q is %q, want %q", first, got, want)
		}
	}
}
