package parley

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// splitAddr turns an address as users write it into what package net takes:
// "host:port", "[::1]:port" and ":port" are TCP; "unix:/path", "unix:///path"
// and "/path" are Unix sockets.
func splitAddr(addr string) (network, address string, err error) {
	switch {
	case addr == "":
		return "", "", ErrNoAddress
	case strings.HasPrefix(addr, "unix:"):
		return "unix", strings.TrimPrefix(strings.TrimPrefix(addr, "unix:"), "//"), nil
	case strings.HasPrefix(addr, "/"):
		return "unix", addr, nil
	}
	addr = strings.TrimPrefix(addr, "tcp://")
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return "", "", fmt.Errorf("parley: address %q: want HOST:PORT, [IPv6]:PORT, or unix:/PATH: %w", addr, err)
	}
	return "tcp", addr, nil
}

func listen(ctx context.Context, addr string, timeouts Timeouts) (net.Listener, error) {
	network, address, err := splitAddr(addr)
	if err != nil {
		return nil, err
	}
	if host, _, _ := net.SplitHostPort(address); network == "tcp" {
		if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() {
			network = "tcp4" // or 0.0.0.0 would be open to IPv6 too
		}
	}
	lc := net.ListenConfig{KeepAlive: timeouts.KeepAlive, KeepAliveConfig: timeouts.keepAlive()}
	l, err := lc.Listen(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("parley: %w", err)
	}
	return l, nil
}
