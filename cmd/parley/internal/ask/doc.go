// Package ask asks a peer one question after the other and says which messages
// are the answer to each.
package ask
