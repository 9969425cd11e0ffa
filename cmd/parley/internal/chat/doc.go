// Package chat is a chat at the terminal without its network: what the lines
// of chat programs say, who is there, what the typed lines mean, and a
// full-screen view of it all as a Bubble Tea model.
package chat
