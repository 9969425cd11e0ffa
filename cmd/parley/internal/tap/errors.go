package tap

import "fmt"

// TooLargeError says that a message was not kept.
type TooLargeError struct {
	Size, Max int64 // bytes
}

// Error names the size and the limit.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("a message of %d bytes is not shown: the limit is %d", e.Size, e.Max)
}
