package examples_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/parley-net/parley/serpy/b85"
)

// The tests in this file run the examples against the original programs, which
// PARLEY_PEERS and PARLEY_PYTHON tell where to find, as described in package
// interop: the clones have their sample programs in sample, example and examples.
// The echo server of tinyproto 2 is printed in its README only.

func TestPeersOnelineDevice(t *testing.T) {
	t.Parallel()
	peers(t)
	device := start(t, "oneline-device", anyPort)
	client := python(t, "clients", "oneline", onelineClients, portOf(device.addr()))
	for _, answer := range []string{"pong", "ack", "nak - unknown cmd", "pong"} {
		if got := client.find("client      : rx: "); got != answer {
			t.Errorf("the original client received %q, want %q", got, answer)
		}
	}
	client.ends()
	device.ends()
}

func TestPeersOnelineClient(t *testing.T) {
	t.Parallel()
	device := originalServer(t, "oneline/sample/server_main.py")
	client := start(t, "oneline-client", device.addr())
	client.expect(
		"tx: ping", "rx: pong", "tx: cmd01", "rx: ack", "tx: junk", "rx: nak - unknown cmd",
		"tx: ping", "rx: pong", "tx: shutdown")
	client.ends()
	device.ends()
}

func TestPeersEchoServer(t *testing.T) {
	t.Parallel()
	peers(t)
	server := start(t, "tinyproto-echo-server", anyPort)
	addr := server.addr()
	for _, last := range []string{"QUIT", "SRVQUIT"} {
		client := python(t, "echo client", "tinyproto2", echoClient, portOf(addr))
		client.enter("hello")
		client.find("Response from server: Echo back: hello")
		client.enter("grüß dich")
		client.find("Response from server: Echo back: grüß dich")
		client.enter(last)
		client.ends()
	}
	server.ends()
}

func TestPeersEchoClient(t *testing.T) {
	t.Parallel()
	server := originalServer(t, "tinyproto2/example/echo-server.py")
	addr := server.addr()
	for _, last := range []string{"QUIT", "SRVQUIT"} {
		client := start(t, "tinyproto-echo-client", addr)
		client.enter("hello", "", "grüß dich", last)
		client.expect("connected to "+addr, "Response from server: Echo back: hello",
			"Response from server: Echo back: ", "Response from server: Echo back: grüß dich")
		client.ends()
	}
	server.ends()
}

func TestPeersChatServer(t *testing.T) {
	for _, version := range []string{"tinyproto2", "tinyproto3"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			peers(t)
			server := start(t, "tinyproto-chat-server", anyPort)
			addr := server.addr()
			join := func(id int, others ...*program) *program {
				c := originalClient(t, version+"/example/chat-client.py", addr)
				c.find("Connection established!")
				server.find(fmt.Sprintf("connection %d opened from ", id))
				for _, o := range others {
					o.expect(fmt.Sprintf("[%d] **joined the chat", id))
				}
				return c
			}
			a := join(1)
			b := join(2, a)
			c := join(3, a, b)
			a.enter("hello")
			b.expect("[1] hello")
			c.expect("[1] hello")
			b.enter("grüß dich")
			a.expect("[2] grüß dich")
			c.expect("[2] grüß dich")
			// The original says quit before it leaves, if it is quick enough.
			b.enter("quit")
			b.ends()
			a.find("[2] **left the chat")
			c.find("[2] **left the chat")
		})
	}
}

func TestPeersChatClient(t *testing.T) {
	for _, version := range []string{"tinyproto2", "tinyproto3"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			server := originalServer(t, version+"/example/chat-server.py")
			addr := server.addr()
			join := func(others ...*program) *program {
				c := start(t, "tinyproto-chat-client", addr)
				c.expect("connected to " + addr)
				server.find("New connection opened from ")
				for _, o := range others {
					o.find("] **joined the chat")
				}
				return c
			}
			a := join()
			b := join(a)
			c := originalClient(t, version+"/example/chat-client.py", addr)
			a.find("] **joined the chat")
			b.find("] **joined the chat")
			a.enter("hello")
			b.find("] hello")
			c.find("] hello")
			c.enter("grüß dich")
			a.find("] grüß dich")
			b.find("] grüß dich")
			b.enter("quit")
			b.ends()
			a.find("] **left the chat")
			a.stdin.Close()
			a.ends()
		})
	}
}

// testPeersSerpyChat is a chat of two of our clients and two original ones.
// relayed is what the server makes of a text that an original client sends.
func testPeersSerpyChat(t *testing.T, server *program, ours, theirs string, relayed func(string) string) {
	addr := server.addr()
	var all []*program
	hear := func(i int, text string) {
		name := fmt.Sprintf("Nr%d : ", i)
		server.find(name) // only now is it certain that the server has accepted client i
		if text = name + text; i%2 == 1 {
			text = relayed(text)
		}
		for j, c := range all {
			if j != i {
				c.expect(">>> " + text)
			}
		}
	}
	for i := range 4 {
		var c *program
		if i%2 == 0 {
			c = start(t, ours, addr)
		} else {
			c = originalClient(t, theirs, addr)
		}
		all = append(all, c)
		c.expect("-------------- Connected --------------")
		c.enter(fmt.Sprintf("/name Nr%d", i), "hello")
		hear(i, "hello")
	}
	for i, c := range all {
		c.enter("grüß euch")
		hear(i, "grüß euch")
	}
	all[2].enter("my last words", "/stop") // one of ours, which stays until they are heard
	hear(2, "my last words")
	all[2].ends()
	all[1].enter("/stop")
	all[1].ends()
	all[3].enter("/KTHXBYE") // after which an original tries to connect for ever
	all[0].find("trying again:")
	all[0].enter("/stop")
	all[0].ends()
	server.ends()
}

func unchanged(text string) string { return text }

func TestPeersSerpyBroadcast(t *testing.T) {
	t.Parallel()
	peers(t)
	testPeersSerpyChat(t, start(t, "serpy-broadcast", anyPort), "serpy-chat", "serpy/examples/simpleChat.py", unchanged)
}

func TestPeersSerpyChat(t *testing.T) {
	t.Parallel()
	// Original clients use mode 0, in which the original relay sends the
	// base85 of a text in place of the text.
	base85 := func(text string) string { return string(b85.Encode(nil, []byte(text))) }
	testPeersSerpyChat(t, originalServer(t, "serpy/examples/simpleBroadcast.py"), "serpy-chat", "serpy/examples/simpleChat.py", base85)
}

func TestPeersSerpy2Broadcast(t *testing.T) {
	t.Parallel()
	peers(t)
	testPeersSerpyChat(t, start(t, "serpy2-broadcast", anyPort), "serpy2-chat", "serpy/examples/simpleChat2.py", unchanged)
}

func TestPeersSerpy2Chat(t *testing.T) {
	t.Parallel()
	testPeersSerpyChat(t, originalServer(t, "serpy/examples/simpleBroadcast2.py"), "serpy2-chat", "serpy/examples/simpleChat2.py", unchanged)
}

func TestPeersPingPongServer(t *testing.T) {
	t.Parallel()
	peers(t)
	server := start(t, "serpy2-pingpong-server", anyPort)
	client := originalClient(t, "serpy/examples/test_serpy2_1_pingpongClient.py", server.addr())
	client.find("10 cycles in ")
	client.expect("0 ping-pong errors")
	client.ends()
	server.ends()
}

func TestPeersPingPongClient(t *testing.T) {
	t.Parallel()
	server := originalServer(t, "serpy/examples/test_serpy2_1_pingpongServer.py")
	client := start(t, "serpy2-pingpong-client", server.addr())
	client.find("10 cycles, 0 ping-pong errors")
	client.ends()
	server.ends()
}

func TestPeersInstrumentServer(t *testing.T) {
	t.Parallel()
	needsNumpy(t)
	server := start(t, "serpy2-instrument-server", anyPort)
	client := originalClient(t, "serpy/examples/test_serpy2_2_instrumentClient.py", server.addr())
	client.find("frame dimensions: ")
	client.expect("0 errors") // the original compares every bit
	client.ends()
	server.ends()
}

func TestPeersInstrumentClient(t *testing.T) {
	t.Parallel()
	needsNumpy(t)
	server := originalServer(t, "serpy/examples/test_serpy2_2_instrumentServer.py")
	client := start(t, "serpy2-instrument-client", server.addr())
	client.find("30 frames of 512 x 512, all right")
	client.ends()
	server.ends()
}

func TestPeersTransferServer(t *testing.T) {
	t.Parallel()
	peers(t)
	served, local := t.TempDir(), t.TempDir()
	server := start(t, "transfer-server", anyPort, "-dir", served)
	addr := server.addr()
	for _, size := range []int{0, 300, 9 << 20} {
		name := fmt.Sprintf("grüß-%d", size)
		file, back := filepath.Join(local, name), filepath.Join(local, "back-"+name)
		data := write(t, file, size)

		originalClient(t, "tpft/tpft.py", addr, file, "127.0.0.1:"+name).ends()
		server.expect(fmt.Sprintf("upload of %q: %d bytes", name, size))
		same(t, filepath.Join(served, name), data)

		originalClient(t, "tpft/tpft.py", addr, "127.0.0.1:"+name, back).ends()
		server.expect(fmt.Sprintf("download of %q: %d bytes", name, size))
		same(t, back, data)
	}
	originalClient(t, "tpft/tpft.py", addr, "127.0.0.1:missing", filepath.Join(local, "missing")).find("missing")
}

func TestPeersTransferClient(t *testing.T) {
	t.Parallel()
	server := originalServer(t, "tpft/tpft.py", "-l", "127.0.0.1")
	addr, served, local := server.addr(), server.cmd.Dir, t.TempDir()
	for _, size := range []int{0, 300, 9 << 20} {
		name := fmt.Sprintf("grüß-%d", size)
		file, back := filepath.Join(local, name), filepath.Join(local, "back-"+name)
		data := write(t, file, size)

		upload := start(t, "transfer-client", addr, "upload", file, name)
		upload.find("Progress: 100%")
		upload.ends()
		same(t, filepath.Join(served, name), data)

		download := start(t, "transfer-client", addr, "download", name, back)
		download.find("Progress: 100%")
		download.ends()
		same(t, back, data)
	}
	start(t, "transfer-client", addr, "download", "missing", filepath.Join(local, "missing")).fails("No such file or directory")
}
