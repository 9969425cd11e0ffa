// Package line is the protocol of everything that ends its messages with something:
// instruments, motor controllers, serial device servers, simple daemons. There is
// no greeting, no reserved word and no farewell; both sides may speak at any time,
// and an empty message is a message.
//
// The zero [Protocol] understands whatever ends a line (LF, CR LF or CR) and
// answers in kind. Its fields say what is different about a device:
//
//	line.Protocol{End: line.Ends(line.CR), Send: line.CR}
//	line.Protocol{Prompt: "> ", Echo: true}
//
// [SCPI] is line with the arbitrary blocks of IEEE 488.2 in its messages; [Block]
// returns what is in one.
//
// The protocol is described in docs/protocol/line.md.
package line
