// Package frame speaks protocols that are configured instead of coded: messages
// with a size in front, of a fixed size, or between marks, as many devices and
// servers have them.
//
//	frame.Protocol{Size: frame.U16BE, Offset: 4}                       // Modbus TCP, whole frames
//	frame.Protocol{Size: frame.Varint, Strip: frame.Head}              // protobuf, delimited
//	frame.Protocol{Magic: "\xAA\x55", Size: frame.U16LE, Strip: frame.Head, Check: frame.CRC16Modbus}
//	frame.Protocol{Marks: frame.COBS, Check: frame.CRC32LE}
//
// A sized frame is, from its first byte on:
//
//	magic   the same bytes in every frame, if there is a magic
//	…       what stands before the size, up to Offset
//	size    in one of the forms of [Size]
//	payload
//	check   a trailer, if there is a [Check]
//
// The size counts what stands behind it, the check included; Adjust is added to
// the size that was read. Magic, what stands before the size, and the size are
// the head. The names and their meanings are those of Netty's
// LengthFieldBasedFrameDecoder.
//
// There is no greeting and no farewell, both sides may speak at any time, and
// an empty message is a message. Messages are bytes; text is sent as its bytes.
//
// # What is lost and what is not
//
// A frame whose check is wrong, or that is too large or too short, costs one
// [wire.EventLost] and no more, as its end is known. With a magic, bytes that
// begin no frame are skipped up to the next magic with a possible size behind
// it, which is one EventLost for all of them. Without one, a size that can't be
// is the end: nobody could tell where the next frame begins.
//
// docs/protocol/frame.md has the forms byte for byte.
package frame
