package reliability

import "testing"

// FuzzFaults is the simulation of faults with a plan that the input decides: the wire,
// how the bytes are cut, whose code fails where and how, who ends a direction, who reads
// slowly or not at all.
//
// Verifies: RUNTIME-26, RUNTIME-45, RUNTIME-57, RUNTIME-89
func FuzzFaults(f *testing.F) {
	all := ordealKinds()
	f.Fuzz(func(t *testing.T, throws []byte) {
		d := &script{throws}
		k := all[d.IntN(len(all))]
		for _, problem := range endure(t, k, newOrdealPlan(k, d)) {
			t.Error(k.name, problem)
		}
	})
}
