package device

import (
	"strings"
)

// read reads dialogues and properties.
func (p *visaPart) read(n *yamlNode) error {
	p.dialogues = make(map[string]*string)
	p.getters = make(map[string]visaGetter)
	p.properties = make(map[string]*visaProperty)
	if list := n.get("dialogues"); list != nil {
		for _, item := range list.items {
			q, r, err := visaPair(item)
			if err != nil {
				return err
			}
			if r != nil {
				text := visaText(*r)
				r = &text
			}
			p.dialogues[visaText(q)] = r
		}
	}
	props := n.get("properties")
	if props == nil {
		return nil
	}
	if err := props.want(yamlMap); err != nil {
		return err
	}
	for _, name := range props.keys {
		if err := p.readProperty(name, props.pairs[name]); err != nil {
			return err
		}
	}
	return nil
}

// visaPair reads q and r, of which r may be missing.
func visaPair(n *yamlNode) (q string, r *string, err error) {
	qn, err := n.need("q")
	if err != nil {
		return "", nil, err
	}
	if q, err = qn.str(); err != nil {
		return "", nil, err
	}
	r, err = optional(n, "r")
	return strings.Trim(q, " "), r, err
}

// optional returns the text of a key that may be missing.
func optional(n *yamlNode, key string) (*string, error) {
	v := n.get(key)
	if v == nil {
		return nil, nil
	}
	s, err := v.str()
	s = strings.Trim(s, " ")
	return &s, err
}

// readProperty reads one property: its first value, how it is asked for and
// set, and what it may be.
func (p *visaPart) readProperty(name string, n *yamlNode) error {
	if err := n.want(yamlMap); err != nil {
		return err
	}
	prop, err := newVisaProperty(name, n)
	if err != nil {
		return err
	}
	p.properties[name] = prop
	if g := n.get("getter"); g != nil {
		q, r, err := visaPair(g)
		if err != nil {
			return err
		}
		p.getters[visaText(q)] = visaGetter{name, r}
	}
	s := n.get("setter")
	if s == nil {
		return nil
	}
	q, r, err := visaPair(s)
	if err != nil {
		return err
	}
	e, err := optional(s, "e")
	if err != nil {
		return err
	}
	parser, err := newVisaParser(q)
	if err != nil {
		return s.get("q").errorf("%q: %w", q, err)
	}
	set := visaSetter{property: name, parser: parser}
	for _, to := range []struct{ from, to **string }{{&r, &set.response}, {&e, &set.error}} {
		if *to.from != nil {
			text := visaText(**to.from)
			*to.to = &text
		}
	}
	p.setters = append(p.setters, set)
	return nil
}

// readChannels reads channels.
func (v *visa) readChannels(n, ids *yamlNode) error {
	if n == nil {
		return nil
	}
	if err := n.want(yamlMap); err != nil {
		return err
	}
	for _, name := range n.keys {
		d := n.pairs[name]
		c := &visaChannels{name: name, canSelect: true}
		if err := noBases(d); err != nil {
			return err
		}
		c.ids = visaIDs(ids.get(name))
		if len(c.ids) == 0 {
			c.ids = visaIDs(d.get("ids"))
		}
		if s := d.get("can_select"); s != nil && s.text == "False" {
			c.canSelect = false
		}
		if err := c.visaPart.read(d); err != nil {
			return err
		}
		v.channels = append(v.channels, c)
	}
	return nil
}

// visaIDs returns the names of channels.
func visaIDs(n *yamlNode) []string {
	var out []string
	if n == nil {
		return nil
	}
	for _, item := range n.items {
		out = append(out, item.text)
	}
	return append(out, n.keys...)
}
