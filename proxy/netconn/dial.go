package netconn

import (
	"crypto/tls"
	"fmt"
	"net"
	"time"
)

// Target is what a Dialer connects to.
type Target struct {
	// Network is "tcp", over IPv6 or IPv4, or "unix".
	Network string
	// Addr is "host:port" for tcp, and the socket's path for unix.
	Addr string
	// TLS is what TLS over the connection is made with, the name to verify included; nil for none.
	TLS *tls.Config
}

// connect connects within limit, which covers the name's lookup and the TLS handshake; 0 is for ever. The connection
// carries the bytes; secure is the TLS over it, nil without.
func (t Target) connect(limit time.Duration) (net.Conn, *secure, error) {
	var deadline time.Time
	if limit > 0 {
		deadline = time.Now().Add(limit)
	}
	conn, err := (&net.Dialer{Deadline: deadline}).Dial(t.Network, t.Addr)
	if err != nil || t.TLS == nil {
		return conn, nil, err
	}
	s, err := handshake(conn, t.TLS, deadline)
	if err != nil {
		_ = conn.Close() // what the handshake failed with says more
		return nil, nil, fmt.Errorf("TLS handshake: %w", err)
	}
	return conn, s, nil
}

// handshake makes TLS over a connection that nothing else has used.
func handshake(conn net.Conn, config *tls.Config, deadline time.Time) (*secure, error) {
	c := &carrier{Conn: conn}
	s := &secure{Conn: tls.Client(c, config), carrier: c}
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	if err := s.Handshake(); err != nil {
		return nil, err
	}
	return s, conn.SetDeadline(never)
}
