// Package oneline speaks the protocol of the Python package socket-oneline: one
// message is one line of text.
//
// A client opens the conversation with "ping" and waits for "pong". From then
// on it sends commands, and the server answers each with no line, one or
// several, in order; a server never speaks first. "disconnect" ends the
// connection, "shutdown" the server too. A server serves one client at a time.
//
// # What arrives
//
// A server receives each line as it came, only its end removed: carriage
// returns and other white space belong to the command. The message is text,
// refers to the bytes received, and Message.Bytes has them all. Message.Text
// leaves out the bytes 80 to FF, as the original does, and [Invalid]
// tells that there were any; Protocol.UTF8 changes that. The reserved words
// ping, disconnect and shutdown never arrive, whatever bytes 80 to FF stand
// between their letters.
//
// A client receives UTF-8 text with the white space at both ends removed. A
// line that is not UTF-8 is lost with a *wire.MessageError, the next one is
// received as usual.
//
// # What can be sent
//
// Text, bytes and numbers are sent as their text (Message.Text), numbers as
// Python prints them. A message that contains an end of line can't be sent; it
// would arrive as two. An original server understands ASCII only, an original
// client UTF-8. White space at the ends of a response is lost at the client.
//
// docs/protocol/oneline.md has the protocol byte for byte, with every quirk of the original.
package oneline
