// Package tap passes connections on byte for byte and tells what was said on
// them. The [Proxy] owns the sockets and knows no protocol; the [Decoder] knows
// the protocol and no socket. Between them is a queue of copies, so that
// nothing the decoding does can alter, delay or end a connection.
package tap
