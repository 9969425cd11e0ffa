package device

import (
	"slices"
	"strings"
)

// interfaces are the kinds of interface that eom may name.
var interfaces = []string{"unknown", "gpib", "vxi", "gpib_vxi", "asrl", "pxi", "tcpip", "usb", "rio", "firewire", "rsnrp", "vicp", "prlgx_asrl", "prlgx_tcpip"}

// readEnds reads eom: the ends of TCPIP SOCKET, else of TCPIP INSTR, else the
// first ones; without any a line feed.
func (v *visa) readEnds(n *yamlNode) error {
	v.requestEnd, v.answerEnd = "\n", "\n"
	if n == nil {
		return nil
	}
	if err := n.want(yamlMap); err != nil {
		return err
	}
	best := 0
	for i, key := range n.keys {
		kind, class, ok := strings.Cut(key, " ")
		if !ok || strings.Contains(class, " ") || !slices.Contains(interfaces, strings.ToLower(kind)) {
			return n.pairs[key].errorf(`eom %q: want an interface and a class, as in "TCPIP SOCKET"`, key)
		}
		q, err := n.pairs[key].need("q")
		if err != nil {
			return err
		}
		r, err := n.pairs[key].need("r")
		if err != nil {
			return err
		}
		rank := 1
		switch strings.ToUpper(kind) + " " + class {
		case "TCPIP SOCKET":
			rank = 3
		case "TCPIP INSTR":
			rank = 2
		}
		if rank > best && (rank > 1 || i == 0) {
			best = rank
			v.requestEnd, v.answerEnd = visaText(strings.Trim(q.text, " ")), visaText(strings.Trim(r.text, " "))
			if v.requestEnd == "" || v.answerEnd == "" {
				return n.pairs[key].errorf("eom %q: nothing would end a message", key)
			}
		}
	}
	return nil
}
