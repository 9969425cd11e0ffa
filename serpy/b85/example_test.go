package b85_test

import (
	"fmt"

	"github.com/parley-net/parley/serpy/b85"
)

func Example() {
	text := b85.Encode(nil, []byte("parley"))
	fmt.Printf("%s\n", text)
	back, err := b85.Decode(nil, text)
	fmt.Printf("%s %v\n", back, err)
	_, err = b85.Decode(nil, []byte("VPa\nz"))
	fmt.Println(err)
	// Output:
	// aA9(6WqA
	// parley <nil>
	// b85: character '\n' at byte 3 is outside the alphabet: the text is damaged or is no base85
}
