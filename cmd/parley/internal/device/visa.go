package device

import (
	"errors"
	"fmt"
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

// visaText returns a text of the file with its \r and \n as they are sent.
func visaText(s string) string {
	return strings.NewReplacer(`\r`, "\r", `\n`, "\n").Replace(s)
}

// errNoAnswer is what an exception of pyvisa-sim is here: it would meet the
// program that has asked, and nothing answers.
var errNoAnswer = errors.New("pyvisa-sim raises an exception here")

func noAnswer(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errNoAnswer, fmt.Sprintf(format, args...))
}
