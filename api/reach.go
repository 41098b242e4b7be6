package api

import (
	"fmt"
	"net"
)

// CheckListener returns why the API must not be served on an address of ours; nil if it may. An
// address that other machines reach wants a token, and TLS or Insecure.
func (s Settings) CheckListener(addr net.Addr) error {
	return newGuard(s).checkReach(addr, s.TLS != nil)
}

// checkReach checks an address of ours, and whether connections to it are by TLS.
func (g guard) checkReach(addr net.Addr, secure bool) error {
	switch {
	case isLocal(addr):
		return nil
	case !g.secured():
		return fmt.Errorf("other machines reach the admin API on %v, and there is no token; want a token, a loopback address such as 127.0.0.1:8080, or a unix socket", addr)
	case !secure && !g.insecure:
		return fmt.Errorf("other machines reach the admin API on %v, and the token would cross the network in clear; want admin.cert, "+
			"a loopback address such as 127.0.0.1:8080, or a unix socket, or admin.insecure = true if something else encrypts the way", addr)
	}
	return nil
}

// isLocal reports whether only this machine reaches an address of ours: a loopback address, or a
// unix socket.
func isLocal(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return !ok || tcp.IP.IsLoopback()
}
