// Package names knows the addresses of names, so that each of them can be a backend of its own. An
// outage of the resolver changes nothing: the addresses stay that were found last.
package names

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// Resolver looks names up. A net.Resolver is one.
type Resolver interface {
	// LookupNetIP returns the addresses of a host, of one family with network "ip4" or "ip6".
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Host is a name at a DNS server.
type Host struct {
	// Name is the host's.
	Name string
	// Server is the server's HOST:PORT; "" is the system's resolver.
	Server string
}

const (
	// lookupTimeout bounds the lookup of a name.
	lookupTimeout = 5 * time.Second
	// maxAddresses is how many addresses a name may have.
	maxAddresses = 1000
)

// Names are the addresses of hosts. All methods may be called at the same time.
type Names struct {
	log zerolog.Logger
	// resolver is that of a server.
	resolver func(server string) Resolver

	mu    sync.Mutex
	known map[Host]*found
}

// found is what is known of a host.
type found struct {
	addresses []netip.Addr
	// err is why the last lookup failed; nil if it succeeded.
	err error
}

// New makes Names that know nothing yet. The log gets a line when lookups of a host begin to fail,
// and when they succeed again.
func New(log zerolog.Logger) *Names { return newNames(log, resolverOf) }

func newNames(log zerolog.Logger, resolver func(server string) Resolver) *Names {
	return &Names{log: log, resolver: resolver, known: make(map[Host]*found)}
}

// resolverOf asks a server by DNS, or the system if there is none.
func resolverOf(server string) Resolver {
	if server == "" {
		return net.DefaultResolver
	}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server)
	}}
}

// Look looks hosts up, at the same time, and returns when all lookups have ended, within 5 seconds.
func (n *Names) Look(ctx context.Context, hosts ...Host) {
	var lookups sync.WaitGroup
	for _, h := range hosts {
		lookups.Go(func() {
			all, err := n.lookUp(ctx, h)
			if ctx.Err() == nil { // What was cut short tells nothing.
				n.take(h, all, err)
			}
		})
	}
	lookups.Wait()
}

// lookUp returns a host's addresses, sorted: those by IPv4 if it has any, else those by IPv6. Both
// would have a host with two stacks be two backends.
func (n *Names) lookUp(ctx context.Context, h Host) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	r := n.resolver(h.Server)
	all, err := r.LookupNetIP(ctx, "ip4", h.Name)
	if isEmpty(all, err) {
		all, err = r.LookupNetIP(ctx, "ip6", h.Name)
	}
	switch {
	case err != nil:
		return nil, withoutServer(err)
	case len(all) == 0:
		return nil, errors.New("the name has no address")
	case len(all) > maxAddresses:
		return nil, fmt.Errorf("the name has %d addresses; want at most %d", len(all), maxAddresses)
	}
	for i := range all {
		all[i] = all[i].Unmap()
	}
	slices.SortFunc(all, netip.Addr.Compare) // Resolvers shuffle.
	return slices.Compact(all), nil
}

// isEmpty reports whether a name has no addresses of a family, as far as the resolver knows.
func isEmpty(all []netip.Addr, err error) bool {
	var dns *net.DNSError
	return err == nil && len(all) == 0 || errors.As(err, &dns) && dns.IsNotFound
}

// withoutServer is an error without the server's address, which changes from lookup to lookup.
func withoutServer(err error) error {
	if dns := (*net.DNSError)(nil); errors.As(err, &dns) {
		return errors.New(dns.Err)
	}
	return err
}

// take takes the result of a lookup.
func (n *Names) take(h Host, all []netip.Addr, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	is := n.known[h]
	if is == nil {
		is = &found{}
		n.known[h] = is
	}
	failed := is.err != nil
	if is.err = err; err == nil {
		is.addresses = all
	}
	switch {
	case err != nil && !failed:
		n.log.Warn().Str("host", h.Name).Err(err).Int("addresses", len(is.addresses)).
			Msg("a backend's name can't be looked up: the addresses stay that it had")
	case err == nil && failed:
		n.log.Info().Str("host", h.Name).Int("addresses", len(all)).Msg("a backend's name can be looked up again")
	}
}

// Addresses are those that were found last, sorted; none if none were ever found.
func (n *Names) Addresses(h Host) []netip.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	if is := n.known[h]; is != nil {
		return is.addresses
	}
	return nil
}

// Err is why the last lookup failed; nil if it succeeded, or if there was none.
func (n *Names) Err(h Host) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if is := n.known[h]; is != nil {
		return is.err
	}
	return nil
}

// Retain forgets all hosts but these.
func (n *Names) Retain(hosts []Host) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for h := range n.known {
		if !slices.Contains(hosts, h) {
			delete(n.known, h)
		}
	}
}
