package pickle_test

import (
	"fmt"
	"log"

	"github.com/parley-net/parley/serpy/pickle"
)

func Example() {
	shared := &pickle.List{Items: []any{1, "two", 3.0}}
	p, err := pickle.Append(nil, &pickle.Tuple{Items: []any{shared, shared, nil}}, 5)
	if err != nil {
		log.Fatal(err)
	}
	v, err := pickle.Decode(p, pickle.Limits{})
	if err != nil {
		log.Fatal(err)
	}
	t := v.(*pickle.Tuple)
	fmt.Println(v, t.Items[0] == t.Items[1])
	// Output: ([1, 'two', 3.0], [1, 'two', 3.0], None) true
}

// What Python's reader would execute is a description here.
func ExampleDecode() {
	v, err := pickle.Decode([]byte("cos\nsystem\n(S'rm -rf /'\ntR."), pickle.Limits{})
	if err != nil {
		log.Fatal(err)
	}
	call := v.(*pickle.Call)
	fmt.Println(call.Func.(*pickle.Global).Module, call.Func.(*pickle.Global).Name, call.Args)
	// Output: os system ('rm -rf /',)
}
