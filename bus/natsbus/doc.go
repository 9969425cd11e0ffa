// Package natsbus is package bus over NATS with JetStream: what joins parley servers on
// several machines. [Connect] uses a NATS that is there; package embed brings one along,
// in this process.
//
//	b, err := natsbus.Connect(ctx, natsbus.Options{URL: "nats://nats.lab:4222", Creds: "lab.creds"})
//
// What it keeps are streams whose names others can look at with the usual tools: KV_ and OBJ_
// in front of the name of a bucket and of objects, LOG_ in front of a log's. A log recognises an id
// again for ten minutes. Each entry of a log has a checksum of its own, so that damage is told
// and not passed on.
package natsbus
