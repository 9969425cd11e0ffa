package main

import (
	"fmt"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/ask"
	"github.com/parley-net/parley/line"
	"github.com/spf13/cobra"
)

// addBlock adds --block.
func (o *outputFlags) addBlock(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.block, "block", false, "print the data of the first IEEE 488.2 block (#…) of an answer and nothing else")
}

// blockOf returns the data of a message's first block as a message.
func blockOf(m parley.Message) (parley.Message, error) {
	data, ok := line.Block(m)
	if !ok {
		return m, &noBlockError{m}
	}
	return parley.Bytes(data), nil
}

// noBlockError says that a message has no block.
type noBlockError struct{ m parley.Message }

func (e *noBlockError) Error() string {
	return fmt.Sprintf("--block: there is no IEEE 488.2 block in %s", ask.Name(e.m))
}
