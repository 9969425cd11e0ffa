package device

import (
	"slices"
)

type visaRegister struct {
	query  string
	errors map[string]int
}

type visaQueue struct {
	query, empty string
	errors       map[string]string
}

// readErrors reads error: a text, or a mapping with response, status_register
// and error_queue.
func (v *visa) readErrors(n *yamlNode) error {
	keys := []string{"command_error", "query_error"}
	if n == nil {
		return nil
	}
	if n.form == yamlScalar {
		text := visaText(n.text)
		for _, k := range keys {
			v.errors[k] = &text
		}
		return nil
	}
	if err := n.want(yamlMap); err != nil {
		return err
	}
	for _, k := range keys {
		if e := n.get("response").get(k); e != nil {
			text := visaText(e.text)
			v.errors[k] = &text
		}
	}
	if list := n.get("status_register"); list != nil {
		for _, item := range list.items {
			r, err := newVisaRegister(item)
			if err != nil {
				return err
			}
			v.registers = append(v.registers, r)
		}
	}
	if list := n.get("error_queue"); list != nil {
		for _, item := range list.items {
			q, err := newVisaQueue(item)
			if err != nil {
				return err
			}
			v.queues = append(v.queues, q)
		}
	}
	return nil
}

func newVisaRegister(n *yamlNode) (*visaRegister, error) {
	q, err := n.need("q")
	if err != nil {
		return nil, err
	}
	r := &visaRegister{query: visaText(q.text), errors: make(map[string]int)}
	for _, k := range n.keys {
		if k == "q" {
			continue
		}
		bits, err := pyInt(n.pairs[k].text)
		if err != nil || !bits.IsInt64() {
			return nil, n.pairs[k].errorf("%s: want a whole number", k)
		}
		r.errors[k] = int(bits.Int64())
	}
	return r, nil
}

func newVisaQueue(n *yamlNode) (*visaQueue, error) {
	query, err := n.need("q")
	if err != nil {
		return nil, err
	}
	empty, err := n.need("default")
	if err != nil {
		return nil, err
	}
	q := &visaQueue{query: visaText(query.text), empty: visaText(empty.text), errors: make(map[string]string)}
	for _, k := range n.keys {
		if !slices.Contains([]string{"q", "default", "strict"}, k) {
			q.errors[k] = visaText(n.pairs[k].text)
		}
	}
	return q, nil
}
