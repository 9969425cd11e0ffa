package chat

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Command is what a typed line asks for.
type Command uint8

const (
	Nothing Command = iota
	Say             // send the argument behind the name
	SayRaw          // send the argument as it is
	Rename          // the argument is the new name
	Leave
	Help
)

// stopServer ends the broadcast servers among serpy's and serpy2's sample
// programs; it is sent without a name.
const stopServer = "/KTHXBYE"

// HelpText explains the commands, one per line.
const HelpText = `/name NAME   take another name
/stop, /quit leave
/KTHXBYE     end the server, if it is a sample of serpy or serpy2
//TEXT       say /TEXT
/help        show this`

// Read returns what a typed line means. An error says what is wrong with it.
func Read(line string) (c Command, argument string, err error) {
	switch {
	case strings.TrimSpace(line) == "":
		return Nothing, "", nil
	case line == stopServer:
		return SayRaw, line, nil
	case strings.HasPrefix(line, "//"):
		return Say, line[1:], nil
	case !strings.HasPrefix(line, "/"):
		return Say, line, nil
	}
	name, argument, _ := strings.Cut(strings.TrimSpace(line), " ")
	if n, a, ok := strings.Cut(name, "="); ok && argument == "" {
		name, argument = n, a // /name=NAME, as in serpy2's chat
	}
	argument = strings.TrimSpace(argument)
	switch strings.ToLower(name) {
	case "/stop", "/quit":
		return Leave, "", nil
	case "/help":
		return Help, "", nil
	case "/name":
		return Rename, argument, CheckName(argument)
	}
	return Nothing, "", fmt.Errorf("there is no command %s: /help lists them, and //… says what begins with a /", name)
}

// CheckName returns an error if name can't be the name of a person.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("a name is missing: /name NAME")
	case utf8.RuneCountInString(name) > maxName:
		return fmt.Errorf("a name has at most %d characters", maxName)
	case strings.TrimSpace(name) != name, strings.HasPrefix(name, "-"):
		return errors.New("a name neither begins nor ends with a space, nor begins with a -")
	case strings.ContainsFunc(name, func(r rune) bool { return r == ':' || !unicode.IsPrint(r) }):
		return errors.New("a name has no colon and no control characters")
	}
	return nil
}
