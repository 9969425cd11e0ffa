// Package bus is what parley servers that belong together need of each other:
// messages by subject, questions and answers, small shared values with an age,
// a lease that one holder has at a time, a log that keeps what it has
// acknowledged, and objects too large to be one message.
//
// It is a contract with two implementations: [Memory] joins what runs in one
// process, package bus/natsbus joins machines over NATS. The conformance test
// in bus/bustest holds both to what is written here.
//
// # Subjects
//
// A subject is tokens joined by dots. [Token] makes one token of any name. A
// subscription may have * for one token, and > at the end for one or more.
//
// # What is promised
//
// A published message reaches each subscriber at most once, in the order of its
// publisher. A subscriber that falls behind its queue loses messages and is told
// how many ([Subscription.Dropped]); nobody else waits for it. A [Log] keeps what it
// has acknowledged, and a [Bucket] holds one value for each key with a revision that
// only grows, so that two who change the same one can't both believe they did.
//
// When the bus is away ([Status]) every call fails at once with [ErrNoBus]: local
// service goes on without it.
package bus
