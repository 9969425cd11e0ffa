package frame_test

import (
	"context"
	"fmt"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/frame"
)

// A Modbus TCP device answers that register 0 is 42; the client reads it. Both
// see whole frames: transaction, protocol, size, unit and what is asked for.
func Example() {
	modbus := frame.Protocol{Size: frame.U16BE, Offset: 4, Max: 254}
	device := &parley.Server{Protocol: modbus, Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
		q := m.Bytes()
		answer := append([]byte{q[0], q[1], 0, 0, 0, 0}, q[6], 3, 2, 0, 42) // the size is filled in
		return c.Send(ctx, parley.Bytes(answer))
	})}
	if err := device.Listen("127.0.0.1:0"); err != nil {
		fmt.Println(err)
		return
	}
	go device.Serve()
	defer device.Close()

	ctx := context.Background()
	c, err := parley.Dial(ctx, modbus, device.Addrs()[0].String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	answer, err := c.Call(ctx, parley.Bytes([]byte{0, 1, 0, 0, 0, 0, 17, 3, 0, 0, 0, 1}))
	fmt.Printf("% X %v\n", answer.Bytes(), err)
	// Output: 00 01 00 00 00 05 11 03 02 00 2A <nil>
}
