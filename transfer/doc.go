// Package transfer sends files over tinyproto with the letters of the Python
// program tpft: [Server] answers for one folder, [Client] uploads and
// downloads. Both work with the original in the other role.
//
// A letter is a message with compact JSON in it, the keys in this order,
// everything outside printable ASCII as \uXXXX:
//
//	{"type":"upload-request","letter":{"file_size":N,"destination_path":P}}
//	{"type":"download-request","letter":{"download_path":P}}
//	{"type":"download-confirmation","letter":{"file_size":N}}
//	{"type":"confirmed","letter":{}}
//	{"type":"rejected","letter":{"reason":R}}
//	{"type":"close","letter":{}}
//
// Every other message is file data; which of the two follows from where it
// stands. Read are white space, any order of keys, unknown keys, and UTF-8,
// UTF-16 and UTF-32 with or without a byte order mark. A byte of a path that
// is not UTF-8 travels as Python writes it, as \udc80 to \udcff.
//
// # Files
//
// Data goes to a temporary file beside the destination, its name with
// [PartSuffix] behind it. When all of it has come, it is flushed to the disk
// and gets its name. A transfer that was cut leaves the temporary file for the
// next attempt. The file is locked while it is written: a second transfer to
// the same destination is told so, also by another process. (Systems that know
// neither flock nor LockFileEx have no such lock.) A file that is replaced
// passes its permissions on; a symbolic link in a server's folder is itself
// replaced. Names with PartSuffix can't be transferred.
//
// Paths on a server are relative to its folder, with / between their parts. An
// absolute path, a .. and a symbolic link that leads out are rejected, and so are
// uploads to names with characters that control a terminal: control characters,
// line and paragraph separators, and those that turn the direction of the text.
//
// # Resuming, and checking contents
//
// The originals check sizes only and always start over. Between two peers of
// this package a few more keys travel, which the originals ignore. H is a
// SHA-256 in hexadecimal.
//
// An upload: the client says that it can resume, the server how much it has,
// and the client from where it sends.
//
//	c→s  {"type":"upload-request","letter":{"file_size":N,"destination_path":P,"resume":true}}
//	s→c  {"type":"confirmed","letter":{"offset":n,"sha256":H of the first n bytes}}
//	c→s  {"type":"confirmed","letter":{"offset":n}}, or 0 to start over
//	c→s  data, from the offset to N
//	c→s  {"type":"confirmed","letter":{"sha256":H of the whole file}}
//	s→c  {"type":"confirmed","letter":{}}
//
// An original server answers {"type":"confirmed","letter":{}}, and its rules
// hold from there.
//
// A download: the client says how much it has, the server from where it sends.
//
//	c→s  {"type":"download-request","letter":{"download_path":P,"offset":n,"sha256":H of the first n bytes}}
//	s→c  {"type":"download-confirmation","letter":{"file_size":N,"offset":n}}, or 0 to start over
//	c→s  {"type":"confirmed","letter":{}}
//	s→c  data, from the offset to N
//	s→c  {"type":"confirmed","letter":{"sha256":H of the whole file}}
//	c→s  {"type":"confirmed","letter":{}}
//
// An original server's confirmation has no offset, and its rules hold from
// there. In both directions n is 0 when there is nothing to resume; N bytes
// may be there already. The beginning counts only if its hash agrees, and the
// file gets its name only if the hash of the whole agrees. A sender whose file
// changed meanwhile says rejected in place of that hash.
//
// # What files keep, lists, and many files
//
// Between two peers of this package a new file keeps permissions and time of the
// sender's: upload-request, and download-confirmation where the request has
// "meta":true, have "mode" (the nine bits as a number) and "mtime" (nanoseconds since
// 1970).
//
// A client asks once whether the server knows what follows: an original rejects the
// same request without the last key.
//
//	c→s  {"type":"download-request","letter":{"download_path":".parley.part","folders":true}}
//	s→c  {"type":"rejected","letter":{"reason":R,"folders":true}}
//
// A message of a list or a pack is a letter, a line feed, and more: lines with a
// letter each, or the data of a file. It has at most [MaxLetter] bytes.
//
//	c→s  {"type":"list-request","letter":{"path":P,"recursive":true}}
//	s→c  {"type":"list-request","letter":{}} LF entries, each a line:
//	     {"type":"entry","letter":{"path":P,"file_size":N,"mode":M,"mtime":T}}, of a folder
//	     with "dir":true, with "reason":R of what can't be had
//	s→c  … {"type":"end","letter":{}} LF
//
//	c→s  {"type":"pack-request","letter":{"keep":true}}, without keep files are replaced
//	s→c  {"type":"confirmed","letter":{}}
//	c→s  {"type":"file","letter":{"path":P,"sha256":H,"mode":M,"mtime":T}} LF data, any number
//	c→s  entries of folders, which are made
//	c→s  {"type":"flush","letter":{}} LF
//	s→c  {"type":"flush","letter":{}} LF a line for each file that was not taken:
//	     {"type":"rejected","letter":{"path":P,"reason":R}}
//	s→c  {"type":"end","letter":{}} LF
//
//	c→s  {"type":"files-request","letter":{}} LF entries with a path
//	s→c  for each in turn a file as above, or a rejected with path and reason
//	s→c  {"type":"end","letter":{}} LF
//
// The files of a pack are on the disk together before each gets its name.
//
// docs/protocol/tpft.md has the protocol byte for byte, with every quirk of the original.
package transfer
