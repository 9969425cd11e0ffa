package cluster

import (
	"errors"
	"fmt"
)

var (
	// ErrTooLarge: a message above MaxMessage. Room.Share takes any size.
	ErrTooLarge = errors.New("cluster: message too large for a room")
	// ErrNameTaken: another process is a node of this name.
	ErrNameTaken = errors.New("cluster: another node has this name")
	// ErrNoNode: there is no node of this name, or it does not answer.
	ErrNoNode = errors.New("cluster: no such node")
	// ErrNoConn: the node has no such connection.
	ErrNoConn = errors.New("cluster: no such connection")
	// ErrClosed: the node or the room was closed.
	ErrClosed = errors.New("cluster: closed")
	// ErrNoOwner: no node has the device now, or this one can't reach it: nothing was sent.
	ErrNoOwner = errors.New("cluster: the device has no owner now")
	// ErrOwnerLost: the node that has the device has gone while it was asked.
	ErrOwnerLost = errors.New("cluster: the device's owner does not answer any more")
	// ErrKilled is the cause of a connection that Node.Kill has ended.
	ErrKilled = errors.New("cluster: ended by an operator")
	// ErrBanned is why a connection of a banned address is refused.
	ErrBanned = errors.New("cluster: this address is banned")
)

// MissedError says that messages did not arrive: the bus was away, the receiver was too
// slow, or the publisher died in the middle of one.
type MissedError struct {
	Node  string // whose messages; "" if the receiver itself was too slow
	Count uint64
}

// Error tells how many.
func (e *MissedError) Error() string {
	if e.Node == "" {
		return fmt.Sprintf("cluster: %d messages missed: the receiver is too slow", e.Count)
	}
	return fmt.Sprintf("cluster: %d messages of node %s missed", e.Count, e.Node)
}
