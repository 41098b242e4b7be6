package balancer

import (
	"crypto/tls"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"
)

// Settings are what a Pool is made of. Defaults and the checks of what an operator wrote
// are config's: a Pool takes the values as they are.
type Settings struct {
	// Name is the pool's, for logs and the API.
	Name string
	// Strategy is how the pool picks; "" stands for RoundRobin.
	Strategy Strategy
	// Backends are in the order in which round robin starts with them.
	Backends []BackendSettings
	// Health is how each of the backends is probed.
	Health HealthSettings
	// MaxConnections bounds the requests in flight at each backend, up to 1,000,000. 0 doesn't.
	MaxConnections int
	// ClientShare is the share of them, up to 1, that one client may hold, who may hold one at
	// least. 1 and 0 don't bound it.
	ClientShare float64
	// NewProber makes what reaches a backend. It is called once for each.
	NewProber func(BackendSettings) Prober
	// Logger gets one line for each flip of a backend's health. The zero Logger is silent.
	Logger zerolog.Logger
}

// BackendSettings are one address that requests are forwarded to.
type BackendSettings struct {
	// URL is the backend as the operator wrote it, "http://host:port" or the like: its name in logs
	// and the API.
	URL string
	// Addr is what to connect to: "host:port", or the path of a unix socket, which starts with a
	// slash.
	Addr string
	// TLS is what connections to the backend are made with, the name to verify included; nil for
	// plain ones.
	TLS *tls.Config
	// Weight is the backend's share of the requests, from 1 to 100, relative to the others'.
	Weight int
	// State is what the operator wants of it.
	State State
}

// Network is what Addr is an address of: "tcp" or "unix".
func (b BackendSettings) Network() string {
	if strings.HasPrefix(b.Addr, "/") {
		return "unix"
	}
	return "tcp"
}

// Authorities are the ways in which a URL can name the backend, "host:port" and, if the port is the
// scheme's own, "host" before that. The first is the Host of requests for which nobody said
// another. A unix socket has no name, so it goes by "localhost".
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

// HealthSettings are how backends are probed.
type HealthSettings struct {
	// Type is what a probe does.
	Type HealthType
	// Path is what an HTTP probe asks for, with the query if there is one. It is sent as it is:
	// it must start with a slash and have no spaces or control characters.
	Path string
	// Host is what an HTTP probe says as Host, sent as it is too; "" stands for the first of the
	// backend's Authorities.
	Host string
	// Statuses are those of a backend that is alive; with none, every status below 500 is.
	Statuses []StatusRange
	// Interval is the longest time from one probe's start to the next one's, above 0. A probe
	// that takes longer is followed by the next at once.
	Interval time.Duration
	// Timeout bounds one whole probe, from the connect to the answer, above 0.
	Timeout time.Duration
	// Rise is how many probes in a row must succeed before a backend that is down counts as up, at
	// least 1.
	Rise int
	// Fall is how many in a row must fail before one that is up counts as down, at least 1. A
	// backend that dies is found out within Fall * Interval + Timeout, if Timeout is at most
	// Interval.
	Fall int
}

// HealthType is what a probe does to a backend.
type HealthType string

const (
	// HealthHTTP asks for a path and judges the answer's status.
	HealthHTTP HealthType = "http"
	// HealthTCP only connects, with the handshake if the backend has TLS. Without, a process that
	// hangs still passes: its kernel accepts for it.
	HealthTCP HealthType = "tcp"
)

// ParseHealthType reads a health type's name. The error names the text and what was wanted.
func ParseHealthType(text string) (HealthType, error) {
	switch t := HealthType(text); t {
	case HealthHTTP, HealthTCP:
		return t, nil
	}
	return "", fmt.Errorf("unexpected health type %q; want %s or %s", text, HealthHTTP, HealthTCP)
}
