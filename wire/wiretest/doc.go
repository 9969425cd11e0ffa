// Package wiretest tests machines without a network: the recorded transcripts
// of the original programs, a driver that checks the contract of
// [wire.Machine] at every step, two machines joined in one thread, the
// conformance test every protocol has to pass, and a player for the
// transcripts.
//
// A protocol package uses it like this:
//
//   - [Conformance] with a few valid streams checks what the contract asks of
//     all machines: splits, garbage, truncation, memory, allocations.
//   - [Classify] walks all transcripts of the protocol's folder and fails for
//     one the package says nothing about.
//   - [CheckInput] is the body of the protocol's fuzz target.
//   - [SteadyState] counts the allocations of messages of any type, and
//     [Benchmark] the time of Send and Receive.
//   - [Driver] and [Pair] serve the tests of a single rule.
//
// Everything is deterministic: what looks random is seeded.
package wiretest
