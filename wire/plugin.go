package wire

// Plugin transforms whole messages between the program and a wire that carries
// any byte string (Traits.Opaque): compression, encryption, a checksum. Both
// peers must use the same plugins in the same order. A Plugin is safe for
// concurrent use and makes one Transform per connection.
type Plugin interface {
	// Name names the plugin in errors.
	Name() string
	// New returns the transform for one connection. maxMessage bounds in
	// bytes what Receive may return.
	New(role Role, maxMessage int64) Transform
}

// Transform is a plugin on one connection. Send and Receive may run
// concurrently with each other, but neither with itself. p is borrowed: they do
// not change it, keep it, or return a slice that shares its memory, and they
// keep nothing of dst and of what they return, which are reused.
type Transform interface {
	// Send appends the transformed form of p to dst.
	Send(dst, p []byte) ([]byte, error)
	// Receive appends the original of the transformed p to dst. An error
	// loses that message; the connection lives.
	Receive(dst, p []byte) ([]byte, error)
}
