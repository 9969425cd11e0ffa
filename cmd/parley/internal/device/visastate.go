package device

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-net/parley/wire"
)

var (
	randomForm = regexp.MustCompile(`{RANDOM\((\d*.\d*), (\d*.\d*), (\d*)\).*}`)
	randomCall = regexp.MustCompile(`RANDOM\((\d*.\d*), (\d*.\d*), (\d*)\)`)
)

// visaState is a device of pyvisa-sim at work.
type visaState struct {
	*visa
	values    map[string]any            // of the properties
	registers map[*visaRegister]int     // by themselves
	queues    map[*visaQueue][]string   // errors that wait
	channels  map[string]map[string]any // values by group and property, then channel
	selected  map[string]string         // the channel that was used last, by group
}

// newVisaState returns a device as its file begins it, or with the values that
// one of the same form has had.
func newVisaState(v *visa, old *visaState) *visaState {
	s := &visaState{
		visa: v, values: make(map[string]any), registers: make(map[*visaRegister]int),
		queues: make(map[*visaQueue][]string), channels: make(map[string]map[string]any), selected: make(map[string]string),
	}
	for name, p := range v.properties {
		s.values[name] = p.first
		if old == nil {
			continue
		}
		if was, ok := old.values[name]; ok {
			if kept, err := p.accept(was); err == nil {
				s.values[name] = kept
			}
		}
	}
	if old != nil {
		s.channels, s.selected = old.channels, old.selected
	}
	return s
}

// maxQueue is how many errors a queue of pyvisa-sim's holds here; there is no bound there.
const maxQueue = 10000

// answer answers a message.
func (s *visaState) answer(text string, r *rand.Rand) Reply {
	var out Reply
	queries := []string{text}
	if s.delimiter != "" {
		queries = strings.Split(text, s.delimiter)
	}
	for _, q := range queries {
		response, known, err := s.query(q, r)
		if err != nil {
			out.Notes = append(out.Notes, short(strconv.QuoteToASCII(short(q)))+": "+err.Error())
			return out
		}
		if !known {
			response = s.fail("command_error")
		}
		if response == nil {
			continue
		}
		// An answer with an end in it is several messages, and the same bytes.
		for line := range strings.SplitSeq(*response, s.answerEnd) {
			out.Answers = append(out.Answers, Answer{Message: wire.Text(line)})
		}
	}
	return out
}

// fail notes an error, and returns what is answered.
func (s *visaState) fail(key string) *string {
	for _, r := range slices.Backward(s.visa.registers) {
		if bits, ok := r.errors[key]; ok {
			s.registers[r] |= bits
			break // the last register that has the key
		}
	}
	for _, q := range s.visa.queues {
		if text, ok := q.errors[key]; ok && len(s.queues[q]) < maxQueue {
			s.queues[q] = append(s.queues[q], text)
		}
	}
	return s.errors[key]
}

// query answers one query. known says that the file has it.
func (s *visaState) query(q string, r *rand.Rand) (response *string, known bool, err error) {
	if response, known, err = s.visaPart.ask(q, r, func(p string) any { return s.values[p] }); known || err != nil {
		return response, known, err
	}
	for _, reg := range slices.Backward(s.visa.registers) {
		if reg.query == q {
			text := strconv.Itoa(s.registers[reg])
			s.registers[reg] = 0
			return &text, true, nil
		}
	}
	for _, queue := range slices.Backward(s.visa.queues) {
		if queue.query == q {
			text := queue.empty
			if waiting := s.queues[queue]; len(waiting) > 0 {
				text, s.queues[queue] = waiting[0], waiting[1:]
			}
			return &text, true, nil
		}
	}
	if response, known, err = s.set(q); known || err != nil {
		return response, known, err
	}
	for _, c := range s.visa.channels {
		if response, known, err = s.channel(c, q, r); err != nil {
			return nil, false, err
		}
		if known && (response == nil || *response != "") {
			return response, true, nil
		}
	}
	return nil, false, nil
}

// ask answers a query by a dialogue or a getter.
func (p *visaPart) ask(q string, r *rand.Rand, value func(string) any) (response *string, known bool, err error) {
	if d, ok := p.dialogues[q]; ok {
		if d == nil || !strings.Contains(*d, "RANDOM") {
			return d, true, nil
		}
		text, err := visaRandom(*d, r)
		return &text, true, err
	}
	g, ok := p.getters[q]
	if !ok {
		return nil, false, nil
	}
	if g.response == nil {
		return nil, true, noAnswer("the getter of %s has no response", g.property)
	}
	var text string
	if strings.Contains(*g.response, "RANDOM") {
		text, err = visaRandom(*g.response, r)
	} else {
		text, err = pyFormat(*g.response, value(g.property), "")
	}
	return &text, true, err
}

// set tries the setters of the device.
func (s *visaState) set(q string) (response *string, known bool, err error) {
	for _, set := range s.setters {
		got, ok, err := set.parser.parse(q)
		if err != nil {
			return nil, false, err
		}
		if !ok {
			continue
		}
		if len(got) != 1 {
			return nil, false, noAnswer("%q is several values for %s", q, set.property)
		}
		value, err := s.properties[set.property].accept(got[0].value)
		switch {
		case err == nil:
			s.values[set.property] = value
			return set.response, true, nil
		case !isValueError(err):
			return nil, false, noAnswer("%v", err)
		case set.error != nil:
			return set.error, true, nil
		}
	}
	return nil, false, nil
}

// channel answers a query by a group of channels.
func (s *visaState) channel(c *visaChannels, q string, r *rand.Rand) (response *string, known bool, err error) {
	if !c.canSelect {
		value, ok := s.values["selected_channel"]
		if !ok {
			return nil, false, noAnswer("there is no property selected_channel")
		}
		id, isText := value.(string)
		if !isText || !slices.Contains(c.ids, id) {
			return nil, false, nil
		}
		s.selected[c.name] = id
		response, known, err = c.ask(q, r, func(p string) any { return s.channelValue(c, p, id) })
	} else {
		response, known, err = s.askEach(c, q, r)
	}
	if known || err != nil {
		return response, known, err
	}
	return s.setChannel(c, q)
}

// askEach looks for a query that names one of the channels.
func (s *visaState) askEach(c *visaChannels, q string, r *rand.Rand) (response *string, known bool, err error) {
	for _, id := range c.ids {
		s.selected[c.name] = id
		one, err := c.of(id)
		if err != nil {
			return nil, false, err
		}
		response, known, err = one.ask(q, r, func(p string) any { return s.channelValue(c, p, id) })
		if known || err != nil {
			return response, known, err
		}
	}
	return nil, false, nil
}

// of returns the dialogues and getters with a channel's name in them.
func (c *visaChannels) of(id string) (*visaPart, error) {
	one := &visaPart{dialogues: make(map[string]*string), getters: make(map[string]visaGetter)}
	for q, d := range c.dialogues {
		text, err := pyFormat(q, nil, id)
		if err != nil {
			return nil, err
		}
		one.dialogues[text] = d
	}
	for q, g := range c.getters {
		text, err := pyFormat(q, nil, id)
		if err != nil {
			return nil, err
		}
		one.getters[text] = g
	}
	return one, nil
}

// channelValue returns a property of a channel.
func (s *visaState) channelValue(c *visaChannels, property, id string) any {
	if v, ok := s.channels[c.name+pathMark+property][id]; ok {
		return v
	}
	return c.properties[property].first
}

// maxVisaChannels is how many channels may have a value of their own, as a
// setter may name one that is not there.
const maxVisaChannels = 10000

// setChannel tries the setters of a group of channels.
func (s *visaState) setChannel(c *visaChannels, q string) (response *string, known bool, err error) {
	for _, set := range c.setters {
		got, ok, err := set.parser.parse(q)
		if err != nil {
			return nil, false, err
		}
		if !ok {
			continue
		}
		var value any
		found := false
		for _, g := range got {
			if g.name == "ch_id" {
				s.selected[c.name] = pyStr(g.value)
			} else if g.name == "0" {
				value, found = g.value, true
			}
		}
		if !found {
			return nil, false, noAnswer("%q has no value for %s", q, set.property)
		}
		accepted, err := c.properties[set.property].accept(pyStr(value))
		switch {
		case err == nil:
			s.keepChannel(c, set.property, accepted)
			return set.response, true, nil
		case !isValueError(err):
			return nil, false, noAnswer("%v", err)
		case set.error != nil:
			return set.error, true, nil
		}
		return s.fail("command_error"), true, nil
	}
	return nil, false, nil
}

// keepChannel gives a property of the channel that is selected a value.
func (s *visaState) keepChannel(c *visaChannels, property string, value any) {
	key := c.name + pathMark + property
	if s.channels[key] == nil {
		s.channels[key] = make(map[string]any)
	}
	if len(s.channels[key]) < maxVisaChannels {
		s.channels[key][s.selected[c.name]] = value
	}
}
