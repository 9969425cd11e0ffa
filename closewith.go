package parley

// CloseWith ends the conversation as Close does, with a reason, and does not
// wait: a kick. Everything sent still leaves and the wire's farewell is said,
// within Timeouts.Close. err is what OnClose and the log are told then, what Err
// and Receive return, and the cause (context.Cause) of the connection's context;
// nil is ErrClosed. If the connection is ending already, its reason stays.
//
// A handler may call it, for its own connection or another one.
func (c *Conn) CloseWith(err error) {
	if err == nil {
		err = ErrClosed
	}
	c.lock()
	defer c.unlock()
	c.s.End(err)
	c.ensureReader()
}
