// Package seal is a plugin that encrypts and authenticates messages with a key
// that both peers share: AES-256 in Galois/Counter Mode, with a key of its own
// for every connection and direction.
//
//	key, err := seal.PassphraseKey("correct horse battery staple", "weather.example.org")
//	plugin, err := seal.New(key)
//	srv := parley.Server{Plugins: []parley.Plugin{plugin}, …}
//
// Where TLS is possible it is the better choice: it knows who the peer is and
// keeps old recordings secret when a key is lost. This plugin is for peers
// that share a secret and nothing else.
//
// # What it protects
//
// Somebody who can read, change, hold back and insert everything on the
// network, but has not got the key,
//
//   - can't read the content of a message;
//   - can't change, insert, repeat, reorder or reflect a message, or remove one
//     before another that arrives: the first message that does not follow
//     directly on the last one, unchanged, is refused, and so is everything
//     behind it;
//   - can't play one direction of a recorded connection to this Plugin again:
//     its first message carries the time and a random salt. The time must be
//     within [Plugin.Window] of ours, and the salts seen within the window are
//     remembered;
//   - can't play recorded answers to a new connection at all, if they were given
//     by a side that first received something: its first message is bound to
//     the salt of what it received;
//   - can't try more than one key with a connection: the first message commits to
//     the key that it was sealed with, which Galois/Counter Mode alone does not.
//
// # What it does not protect
//
//   - How many messages there are, when, and how long they are: a message
//     grows by 16 bytes, the first of each direction by 73. Compression before
//     encryption lets the length tell something about the content.
//   - Time. Messages can be held back, the first one no longer than the window.
//   - The end. A connection that was cut looks like one that was closed; a
//     conversation that has to be complete needs a last word of its own.
//   - What the protocol says beside messages: tinyproto's hello, acknowledgements
//     and codes.
//   - One direction taken elsewhere. What a client says, and what a server says
//     before it has received anything, is bound to no peer: within the window
//     it can be played, or diverted, to another program with the same key, or
//     to the same one after a restart, because each Plugin knows only the salts
//     it has seen itself. Requests that must not be done twice need a number of
//     their own, or a key for each server.
//   - Two directions as one conversation, where both sides speak first. A side
//     that sends its first message before it has received one binds it to
//     nothing, and if both do neither direction is bound to the other: each can
//     be diverted by itself as above. Let the server wait for the client's first
//     message where that matters.
//   - One connection among several processes. Processes behind one address, or
//     several Plugins with one key in a process, do not know each other's salts:
//     what one has accepted can be played once to each of the others within the
//     window. Give each a key of its own, or let requests carry a number that all
//     of them check.
//   - The whole window under many connections. 65,536 first messages are
//     remembered; if more come within the window the oldest are forgotten, and
//     nothing as old is accepted any more. At 1,000 new connections a second the
//     window is the last minute: peers whose clocks are further behind are turned
//     away with ErrClock, and none is accepted twice. Only who has the key can
//     bring that about.
//   - Old recordings, once the key is known: there is no forward secrecy.
//   - Who the peer is. Everybody with the key is the same.
//   - Availability. One damaged message ends the use of its connection.
//
// # Bytes
//
// The first message of each direction is
//
//	1 byte    3, or 4 if the key is bound to the peer's salt
//	16 bytes  random salt
//	8 bytes   time, nanoseconds since 1970 UTC, big-endian
//	32 bytes  commitment to the key
//	n bytes   message, encrypted
//	16 bytes  tag
//
// All others are the encrypted message and its tag. The key of a direction and
// the commitment are the 32 and the next 32 bytes of HKDF-SHA-256 of the shared
// key with the salt, and with "parley seal ", the role of the sender ("dialing"
// or "accepting"), the first 25 bytes above and, if bound, the peer's salt as its
// context. The first byte is the version of this format: 1 and 2 began the one
// before, which had no commitment; its messages are refused. The nonce is the number of the
// message in its direction, from 0, as 12 bytes big-endian; there is no
// additional data.
package seal
