// Package cluster makes parley servers that share a bus behave as one.
//
// A [Node] is one process on the bus. A [Room] is a conversation by name: what
// somebody in it says reaches all others in it, whichever server, machine and protocol they
// use.
//
//	b := new(bus.Memory).Connect() // or natsbus.Connect
//	node, err := cluster.Start(ctx, b, cluster.Options{Name: "lab1"})
//	room, err := node.Room("cam1", cluster.RoomOptions{})
//	srv := &parley.Server{Protocol: serpy.Protocol{}}
//	room.Attach(srv, cluster.Attachment{}) // its messages go to the room, the room's to its connections
//
// # What is promised
//
// A message reaches each receiver at most once, in the order of its publisher; a receiver is
// told how many it has missed ([MissedError]). Those on the same node hear each other whatever
// happens to the bus. There is no order over several publishers, and no protocol's confirmation
// crosses nodes: a peer's OK says that its own server has the message.
//
// Who is there is asked of those who know ([Node.Who]): a node that does not answer is named
// instead of being left out in silence.
package cluster
