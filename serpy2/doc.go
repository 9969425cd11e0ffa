// Package serpy2 speaks the protocol of serpy2: typed values, each in a block of
// its own, in both directions at any time and without acknowledgements.
//
//	DE CA FE CA FE   identifier
//	type             01 int, 11 float, 21 str, 81 bytes
//	checksum         4 bytes little-endian: the sum of the payload's bytes
//	length           4 bytes little-endian: of the payload
//	payload
//
// An int is a [wire.Int] and must fit 64 bits to be sent; a received one may
// be a [wire.BigInt]. A float is the text of Python's float.hex(), a str is
// UTF-8.
//
// # What is lost and what is not
//
// Nothing a peer sends ends the conversation: a block that can't be delivered
// costs one [wire.EventLost] and no more. The checksum is looked at first, so
// a damaged block is reported as damaged whatever else is wrong with it.
//
// A block ends where its header says. When the length itself is wrong, the
// block swallows the beginning of what follows: its checksum fails, the rest
// is garbage, and the first whole identifier behind it starts the next block.
// (Looking for identifiers inside a block that failed its checksum would save
// more, but only when the block happens to be in memory; what is delivered
// must not depend on how TCP cut the stream.)
//
// Bytes between blocks that are no identifier are garbage. One run of it, up
// to the next identifier, is one EventLost that tells its length and place.
//
// An int longer than 1024 bytes and a float text longer than 64 are skipped
// and lost: no original sends them. Shorter numbers are always delivered
// whole, whatever [wire.Limits] says.
//
// docs/protocol/serpy2.md has the protocol byte for byte, with every quirk of the original.
package serpy2
