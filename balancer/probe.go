package balancer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// newProbe makes the probe that the settings ask for.
func newProbe(h HealthSettings, b BackendSettings) probe {
	d := dialer{BackendSettings: b, timeout: h.Timeout}
	if h.Type == HealthTCP {
		return d.probe
	}
	return newHTTPProbe(h, d).probe
}

// dialer connects to a backend for a probe, directly: no environment variable puts a proxy in between.
type dialer struct {
	BackendSettings
	// timeout is what the contexts are bounded by; for messages only.
	timeout time.Duration
}

// dial errors are fit for operators, who see the backend's name beside them.
func (d dialer) dial(ctx context.Context) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, d.Network(), d.Addr)
	switch {
	case err == nil && d.TLS == nil:
		return conn, nil
	case err == nil:
		return d.handshake(ctx, conn)
	case timedOut(err):
		return nil, fmt.Errorf("connect: no connection within %v", d.timeout)
	default:
		return nil, cause(err)
	}
}

// handshake makes TLS over a connection, and closes it if that fails.
func (d dialer) handshake(ctx context.Context, conn net.Conn) (net.Conn, error) {
	secure := tls.Client(conn, d.TLS)
	err := secure.HandshakeContext(ctx)
	if err == nil {
		return secure, nil
	}
	_ = conn.Close() // the handshake's error says more
	if timedOut(err) {
		return nil, fmt.Errorf("TLS handshake: no end within %v", d.timeout)
	}
	return nil, fmt.Errorf("TLS handshake: %w", cause(err))
}

// probe is the TCP probe: it connects, with the handshake if the backend has TLS, and that is all.
func (d dialer) probe(ctx context.Context) (string, error) {
	started := time.Now()
	conn, err := d.dial(ctx)
	if err != nil {
		return "", err
	}
	took := since(started)
	// There is nothing that a failed close could say of the backend.
	_ = conn.Close()
	return "connected in " + took, nil
}

// since writes the time from then to now in milliseconds: "0.8ms".
func since(then time.Time) string {
	return fmt.Sprintf("%.1fms", time.Since(then).Seconds()*1000)
}

// timedOut knows fasthttp's timeouts too, which are no net.Error.
func timedOut(err error) bool {
	var late interface{ Timeout() bool }
	return errors.As(err, &late) && late.Timeout()
}

// cause leaves out the addresses that the net package writes before what went wrong. What the backend said by a TLS alert
// has none.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Net != "" {
		return op.Err
	}
	return err
}

// isOurs says whether a probe failed because this process or machine has no file descriptor left. That
// says nothing of the backend: to count it would take all backends down at once, while the
// connections that are open still work.
//
// EADDRNOTAVAIL is not among these: it is a want of local ports at times, but also how a
// machine without IPv6 answers for [::1].
func isOurs(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}
