package output

import (
	"fmt"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/ask"
	"github.com/parley-net/parley/line"
	"github.com/spf13/cobra"
)

// AddBlock adds --block.
func (o *Flags) AddBlock(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.Block, "block", false, "print the data of the first IEEE 488.2 block (#…) of an answer and nothing else")
}

// blockOf returns the data of a message's first block as a message.
func blockOf(m parley.Message) (parley.Message, error) {
	data, ok := line.Block(m)
	if !ok {
		return m, &NoBlockError{m}
	}
	return parley.Bytes(data), nil
}

// NoBlockError says that a message has no block.
type NoBlockError struct{ m parley.Message }

func (e *NoBlockError) Error() string {
	return fmt.Sprintf("--block: there is no IEEE 488.2 block in %s", ask.Name(e.m))
}
