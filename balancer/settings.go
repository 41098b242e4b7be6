package balancer

import (
	"crypto/tls"
	"strings"

	"github.com/rs/zerolog"
)

// Settings are what a Pool is made of. Defaults and the checks of what an operator wrote are
// config's: a Pool takes the values as they are.
type Settings struct {
	// Name is the pool's, for logs and the API.
	Name string
	// Strategy is how the pool picks; "" stands for RoundRobin.
	Strategy Strategy
	// Backends are in the order in which round robin begins with them.
	Backends []BackendSettings
	// Health is how each of the backends is probed.
	Health HealthSettings
	// MaxConnections bounds the requests in flight at each backend, up to 1,000,000. 0 is no bound.
	MaxConnections int
	// ClientShare is the share of them, up to 1, that one client may hold, and at least one. 1 and
	// 0 are no bound.
	ClientShare float64
	// NewProber makes a backend's Prober. It is called once for each backend.
	NewProber func(BackendSettings) Prober
	// Logger gets one line for each flip of a backend's health. The zero Logger is silent.
	Logger zerolog.Logger
}

// BackendSettings are one address that requests are forwarded to.
type BackendSettings struct {
	// URL is the backend as the operator wrote it, such as "http://host:port": its name in logs and
	// the API.
	URL string
	// Addr is what to connect to: "host:port", or the path of a unix socket, which starts with a
	// slash.
	Addr string
	// TLS is what connections to the backend are made with, including the name to verify; nil for
	// plain ones. A Pool only passes it on.
	TLS *tls.Config
	// Weight is the backend's share of the requests, from 1 to 100, relative to the others'.
	Weight int
	// State is what the operator wants of it.
	State State
}

// Network is the kind of Addr: "tcp" or "unix".
func (b BackendSettings) Network() string {
	if strings.HasPrefix(b.Addr, "/") {
		return "unix"
	}
	return "tcp"
}

// Authorities are the names that the backend can have in a URL: "host:port" and, if the port is the
// scheme's own, "host" before that. The first is the Host of requests where no other is configured.
// A unix socket has no name, so it goes by "localhost".
func (b BackendSettings) Authorities() []string {
	port := ":80"
	if b.TLS != nil {
		port = ":443"
	}
	if b.Network() == "unix" {
		return []string{"localhost"}
	}
	if host, ok := strings.CutSuffix(b.Addr, port); ok {
		return []string{host, b.Addr}
	}
	return []string{b.Addr}
}
