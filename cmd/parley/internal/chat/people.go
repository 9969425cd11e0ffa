package chat

import "slices"

// person is somebody in the chat.
type person struct{ id, name string }

// label is how a person is called on the screen. The first 8 characters of a
// UUID are enough.
func (p person) label() string {
	id := "[" + p.id[:min(8, len(p.id))] + "]"
	switch {
	case p.id == "":
		return p.name
	case p.name == "":
		return id
	}
	return p.name + " " + id
}

// maxPeople bounds the list: a peer may make up names without end. The one who
// has been silent for longest is forgotten.
const maxPeople = 500

// people are those who have been seen since the connection was made, those who
// spoke last in the end.
type people []person

// note brings the list up to date with what was heard, and returns who it was.
// Without an ID and a name that is nobody.
func (l *people) note(h Line) person {
	p := person{id: h.ID, name: h.Name}
	if p == (person{}) {
		return p
	}
	i := slices.IndexFunc(*l, func(q person) bool { return q.id == p.id && (p.id != "" || q.name == p.name) })
	if i >= 0 {
		if p.name == "" {
			p.name = (*l)[i].name
		}
		*l = slices.Delete(*l, i, i+1)
	}
	if h.Event != Left {
		*l = append(*l, p)
	}
	if n := len(*l) - maxPeople; n > 0 {
		*l = slices.Delete(*l, 0, n)
	}
	return p
}

// labels returns how they are called, in alphabetical order.
func (l people) labels() []string {
	var labels []string
	for _, p := range l {
		labels = append(labels, p.label())
	}
	slices.Sort(labels)
	return labels
}
