// Package wiretest tests machines and plugins without a network.
//
// A protocol of your own is tested like this:
//
//   - [Conformance] with a few valid streams checks what the contract of
//     [wire.Machine] asks of all machines: splits, garbage, truncation, memory,
//     allocations, two machines that talk to each other.
//   - [CheckInput] is the body of the protocol's fuzz target.
//   - [SteadyState] counts the allocations of messages of any type, and
//     [Benchmark] the time of Send and Receive.
//   - [Driver] and [Pair] serve the tests of a single rule.
//
// [PluginConformance] checks what the contract of [wire.Transform] asks of a plugin.
//
// Everything is deterministic: what looks random is seeded.
package wiretest
