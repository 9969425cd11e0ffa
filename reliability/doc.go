// Package reliability holds the tests of what parley does on a failing or
// hostile network. It has no code for users.
//
// Each test prints a figure; docs/reliability.md lists them. By default the
// heavy cases are small, so that all of it takes less than a minute;
// PARLEY_RELIABILITY=full runs them in the size that docs/reliability.md names,
// and then also holds latencies to their limits.
//
// A simulation that fails tells its seed; -seed runs that one again.
package reliability
