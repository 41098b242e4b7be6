package balancer

import (
	"cmp"
	"crypto/tls"
	"strings"
	"time"

	"github.com/rs/zerolog"
)

// Settings are what a Pool is made of. Defaults and the checks of what an operator wrote are
// config's: a Pool takes the values as they are.
type Settings struct {
	// Name is the pool's, for logs and the API.
	Name string
	// Strategy is how the pool picks; "" stands for RoundRobin.
	Strategy Strategy
	// SlowStart is how long a backend that becomes available takes to get its whole weight; 0 gives
	// it that at once.
	SlowStart time.Duration
	// Backends are in the order in which round robin begins with them.
	Backends []BackendSettings
	// Health is how each of the backends is probed.
	Health HealthSettings
	// Ejection is for what a backend is left out although its probes succeed.
	Ejection EjectionSettings
	// RetryBudget bounds the retries; nil doesn't.
	RetryBudget *BudgetSettings
	// MaxConnections bounds the requests in flight at each backend, up to 1,000,000. 0 is no bound.
	MaxConnections int
	// MaxInFlight bounds the requests in flight at all backends together, up to 1,000,000. 0 is no
	// bound.
	MaxInFlight int
	// Queue are the requests that wait while there is no place within these bounds.
	Queue QueueSettings
	// ClientShare is the share of each backend's, and of the queue, up to 1, that one client may
	// hold, and at least one. 1 and 0 are no bound.
	ClientShare float64
	// NewProber makes a backend's Prober. It is called once for each backend that is new.
	NewProber func(BackendSettings) Prober
	// Overrides win over the Weight and the State of the backends, and outlive the pool. nil: what
	// operators say of them ends with the pool.
	Overrides *Overrides
	// Tickets are those that Sticky gives to clients. They may be nil with other strategies.
	Tickets *Tickets
	// Logger gets one line for each flip of a backend's health. The zero Logger is silent.
	Logger zerolog.Logger
}

// BackendSettings are one address that requests are forwarded to.
type BackendSettings struct {
	// URL is the backend as the operator wrote it, such as "http://host:port". What operators want
	// of it is kept by that.
	URL string
	// Address is the one of the URL's host, if each of its addresses is a backend of its own; ""
	// otherwise. Named is the host and the port then, as Addr has them otherwise.
	Address, Named string
	// Addr is what to connect to: "host:port", or the path of a unix socket, which starts with a
	// slash.
	Addr string
	// TLS is what connections to the backend are made with, including the name to verify; nil for
	// plain ones. A Pool only passes it on.
	TLS *tls.Config
	// TLSIdentity tells TLS configurations apart: those with the same one are the same.
	TLSIdentity string
	// Weight is the backend's share of the requests, from 1 to 100, relative to the others'.
	Weight int
	// MaxInFlight bounds the requests in flight there beside Settings.MaxConnections; 0 doesn't.
	MaxInFlight int
	// Backup reports whether it gets requests only while no other backend is available.
	Backup bool
	// State is what the operator wants of it.
	State State
}

// Name is what the backend goes by in logs and the API: its URL, and with an Address URL@ADDRESS.
func (b *BackendSettings) Name() string {
	if b.Address == "" {
		return b.URL
	}
	return b.URL + "@" + b.Address
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
	named := cmp.Or(b.Named, b.Addr)
	if host, ok := strings.CutSuffix(named, port); ok {
		return []string{host, named}
	}
	return []string{named}
}
