package tap

import (
	"io"
	"net"
	"net/netip"
	"testing"

	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/listen"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
)

func TestAddrPort(t *testing.T) {
	for _, tt := range []struct {
		addr net.Addr
		want string
	}{
		{&net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 5}, "10.0.0.1:5"},
		{&net.TCPAddr{IP: net.ParseIP("fe80::1"), Port: 5, Zone: "eth0"}, "[fe80::1]:5"},
		{&net.UnixAddr{Name: "/run/x", Net: "unix"}, "127.0.0.1:40001"},
		{nil, "127.0.0.1:40001"},
	} {
		got := addrPort(tt.addr, 40001)
		if got = netip.AddrPortFrom(got.Addr().Unmap(), got.Port()); got.String() != tt.want {
			t.Errorf("%v is %v, want %s", tt.addr, got, tt.want)
		}
	}
}

// A listener of ours on an IPv4 address is not open to IPv6.
func TestListenAtIPv4Only(t *testing.T) {
	for addr, want := range map[string]string{
		"0.0.0.0:0": "tcp4", "127.0.0.1:1": "tcp4", "[::]:0": "tcp", "[::1]:0": "tcp", "localhost:0": "tcp", ":0": "tcp",
	} {
		if got := listen.Network(addr); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
	l, err := listenAt(app.New("devel", nil, io.Discard, io.Discard), endpoint.Endpoint{Addr: "0.0.0.0:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if c, err := net.Dial("tcp6", "[::1]:"+port); err == nil {
		c.Close()
		t.Error("it is open to IPv6")
	}
}
