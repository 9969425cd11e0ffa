package device

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// visa is a device of a definition file of pyvisa-sim, which answers as
// pyvisa-sim does, oddities included.
type visa struct {
	visaPart
	name                  string
	requestEnd, answerEnd string
	delimiter             string
	errors                map[string]*string // by their keys; nil: no answer
	registers             []*visaRegister
	queues                []*visaQueue
	channels              []*visaChannels
}

// visaPart is a device, or its channels: what is asked and what it has.
type visaPart struct {
	dialogues  map[string]*string // nil: no answer
	getters    map[string]visaGetter
	setters    []visaSetter
	properties map[string]*visaProperty
}

type visaGetter struct {
	property string
	response *string
}

type visaSetter struct {
	property        string
	parser          *visaParser
	response, error *string
}

// visaChannels is a group of channels that are alike.
type visaChannels struct {
	visaPart
	name      string
	ids       []string
	canSelect bool
}

type visaRegister struct {
	query  string
	errors map[string]int
}

type visaQueue struct {
	query, empty string
	errors       map[string]string
}

// readVisa reads the file and chooses the device.
func readVisa(src Source) (*visa, error) {
	root, err := readVisaFile(src.Path, src.Content)
	if err != nil {
		return nil, err
	}
	devices := root.get("devices")
	if devices == nil || devices.form != yamlMap || len(devices.keys) == 0 {
		return nil, root.errorf("devices are missing")
	}
	built := make(map[string]*visa)
	order := slices.Clone(devices.keys)
	if err := readVisaResources(src, root, built); err != nil {
		return nil, err
	}
	for name := range built {
		if !slices.Contains(order, name) {
			order = append(order, name)
		}
	}
	name := src.Device
	if name == "" {
		if len(order) > 1 {
			return nil, &FileError{Path: src.Path, Err: fmt.Errorf("there are several devices: choose one with --device, of %s", quotedList(order))}
		}
		name = order[0]
	}
	if built[name] != nil {
		return built[name], nil
	}
	d := devices.get(name)
	if d == nil {
		return nil, &FileError{Path: src.Path, Err: fmt.Errorf("there is no device %q, but %s", name, quotedList(order))}
	}
	return newVisa(name, d, nil)
}

func quotedList(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = strconv.Quote(n)
	}
	return strings.Join(quoted, ", ")
}

// specMajor and specMinor are the newest version of the form that there is.
const specMajor, specMinor = 1, 1

// readVisaFile reads a file and checks the version of its form.
func readVisaFile(path string, content []byte) (*yamlNode, error) {
	root, err := readYAML(path, content)
	if err != nil {
		return nil, err
	}
	spec, err := root.need("spec")
	if err != nil {
		return nil, err
	}
	var version []int
	for part := range strings.SplitSeq(spec.text, ".") {
		n, err := pyInt(part)
		if err != nil || !n.IsInt64() {
			return nil, spec.errorf("spec %q: want a version such as 1.1", spec.text)
		}
		version = append(version, int(n.Int64()))
	}
	if slices.Compare(version, []int{specMajor, specMinor}) > 0 || version[0] != specMajor {
		return nil, spec.errorf("spec %s is not known: 1.0 and 1.1 are", spec.text)
	}
	return root, nil
}

// readVisaResources builds the devices that resources name, as pyvisa-sim does
// when it reads a file. Their names are of no importance here.
func readVisaResources(src Source, root *yamlNode, built map[string]*visa) error {
	resources := root.get("resources")
	if resources == nil {
		return nil
	}
	if err := resources.want(yamlMap); err != nil {
		return err
	}
	files := make(map[string]*yamlNode)
	for _, key := range resources.keys {
		res := resources.pairs[key]
		d, err := res.need("device")
		if err != nil {
			return err
		}
		in := root
		if f := res.get("filename"); f != nil {
			if in, err = otherFile(src, f, files); err != nil {
				return err
			}
		}
		def := in.get("devices").get(d.text)
		if def == nil {
			return d.errorf("resource %s: there is no device %q", key, d.text)
		}
		v, err := newVisa(d.text, def, res.get("channel_ids"))
		if err != nil {
			return err
		}
		if built[d.text] == nil {
			built[d.text] = v
		}
	}
	return nil
}

// otherFile reads a file that a resource names.
func otherFile(src Source, name *yamlNode, files map[string]*yamlNode) (*yamlNode, error) {
	if f := files[name.text]; f != nil {
		return f, nil
	}
	r := &fileReader{dir: filepath.Dir(src.Path)}
	content, err := r.readFile(name.text)
	if err != nil {
		return nil, name.errorf("%w", err)
	}
	files[name.text], err = readVisaFile(name.text, content)
	return files[name.text], err
}

// newVisa reads one device.
func newVisa(name string, n, channelIDs *yamlNode) (*visa, error) {
	if err := n.want(yamlMap); err != nil {
		return nil, err
	}
	v := &visa{name: name, delimiter: ";", errors: make(map[string]*string)}
	if d := n.get("delimiter"); d != nil {
		v.delimiter = d.text
	}
	if err := noBases(n); err != nil {
		return nil, err
	}
	if err := v.readErrors(n.get("error")); err != nil {
		return nil, err
	}
	if err := v.readEnds(n.get("eom")); err != nil {
		return nil, err
	}
	if err := v.visaPart.read(n); err != nil {
		return nil, err
	}
	return v, v.readChannels(n.get("channels"), channelIDs)
}

// noBases refuses what pyvisa-sim has a word for and does not do.
func noBases(n *yamlNode) error {
	if b := n.get("bases"); b != nil && (len(b.items) > 0 || len(b.keys) > 0 || b.text != "") {
		return b.errorf("bases are not implemented by pyvisa-sim")
	}
	return nil
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

// visaText returns a text of the file with its \r and \n as they are sent.
func visaText(s string) string {
	return strings.NewReplacer(`\r`, "\r", `\n`, "\n").Replace(s)
}

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

// errNoAnswer is what an exception of pyvisa-sim is here: it would meet the
// program that has asked, and nothing answers.
var errNoAnswer = errors.New("pyvisa-sim raises an exception here")

func noAnswer(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errNoAnswer, fmt.Sprintf(format, args...))
}

// random returns a response with {RANDOM(min, max, count):format} in it.
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
