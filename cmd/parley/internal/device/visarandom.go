package device

import (
	"errors"
	"math/rand/v2"
	"strings"
)

// visaRandom returns a response with {RANDOM(min, max, count):format} in it.
func visaRandom(response string, r *rand.Rand) (string, error) {
	all := randomForm.FindAllStringSubmatch(response, -1)
	if len(all) == 0 {
		return "", noAnswer("%q is no RANDOM directive", response)
	}
	format := randomCall.ReplaceAllString(response, "")
	lo, err := pyFloat(all[0][1])
	hi, err2 := pyFloat(all[0][2])
	count, err3 := pyInt(all[0][3])
	if err := errors.Join(err, err2, err3); err != nil {
		return "", noAnswer("%q: %v", response, err)
	}
	if !count.IsInt64() || count.Int64() > maxPoints {
		return "", noAnswer("%q: too many values", response)
	}
	out := []string{}
	for range count.Int64() {
		s, err := pyFormat(format, lo+(hi-lo)*r.Float64(), "")
		if err != nil {
			return "", err
		}
		out = append(out, s)
	}
	return strings.Join(out, ", "), nil
}
