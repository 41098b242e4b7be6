package netconn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Resolver looks names up. A net.Resolver is one.
type Resolver interface {
	// LookupNetIP returns the addresses of a host, of either family with network "ip".
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

const (
	// lookupInterval is the age of a name's addresses from which on a dial looks the name up again,
	// without waiting for the result.
	lookupInterval = 10 * time.Second
	// doubtInterval is that age after a failed lookup, and after a dial that reached no address.
	doubtInterval = time.Second
	// lookupTimeout bounds one lookup.
	lookupTimeout = 5 * time.Second
	// skipTime is how long an address is left out after a connect to it failed.
	skipTime = 10 * time.Second
)

// name is the host and port of a backend, and the host's addresses. The first dial looks them up
// and waits for them. A later dial that finds them old looks them up again and doesn't wait: the
// last addresses serve until another lookup succeeds. A request uses a name only if it has to dial.
type name struct {
	host     string
	port     uint16
	resolver Resolver
	// onLookup is called when lookups begin to fail and when they succeed again. It may be nil.
	onLookup func(host string, err error)

	mu sync.Mutex
	// known are the addresses that were found last. at is when the last lookup ended, and err why
	// there are no addresses yet.
	known []netip.Addr
	at    time.Time
	err   error
	// failing reports whether the last lookup failed, doubted whether a dial has reached no address
	// since the last one that succeeded.
	failing, doubted bool
	// looking is closed when the current lookup ends; nil while none runs.
	looking chan struct{}
	// turn counts the dials, which take the addresses in turn.
	turn int
	// skipped are the addresses that are left out, each until a moment.
	skipped map[netip.Addr]time.Time
	// conns are the connections to the name, with the address of each.
	conns map[retirer]netip.Addr
}

// retirer is a connection to a name. It retires, after its current use, when its address is gone.
type retirer interface{ retire() }

// newName makes the name for "host:port". A host that is an address is never looked up.
func newName(addr string, r Resolver) (*name, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("address %s: unexpected port %q; want a number up to 65535", addr, port)
	}
	n := &name{
		host: host, port: uint16(number), resolver: r,
		skipped: make(map[netip.Addr]time.Time), conns: make(map[retirer]netip.Addr),
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		n.known, n.resolver = []netip.Addr{ip}, nil
	}
	return n, nil
}

// addresses returns the addresses to dial, in order. It waits for a lookup only while there are
// none.
func (n *name) addresses(ctx context.Context) ([]netip.AddrPort, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refresh()
	if len(n.known) == 0 {
		if err := n.await(ctx, n.looking); err != nil {
			return nil, err
		}
	}
	return n.inTurn(), nil
}

// refresh begins a lookup if one is due. The caller holds n.mu.
func (n *name) refresh() {
	interval := lookupInterval
	if n.failing || n.doubted {
		interval = doubtInterval
	}
	if n.resolver != nil && n.looking == nil && time.Since(n.at) >= interval {
		n.looking = make(chan struct{})
		go n.lookUp(n.looking)
	}
}

// doubt notes that a dial reached none of the addresses, or reached somebody else: they may belong
// to others now.
func (n *name) doubt() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.doubted = true
	n.refresh()
}

// await waits for the current lookup, if there is one, and returns an error if there are no
// addresses after it. The caller holds n.mu, which is released during the wait.
func (n *name) await(ctx context.Context, looking chan struct{}) error {
	if looking != nil {
		n.mu.Unlock()
		select {
		case <-looking:
		case <-ctx.Done():
		}
		n.mu.Lock()
	}
	switch {
	case len(n.known) > 0:
		return nil
	case n.err != nil:
		return n.err
	}
	return fmt.Errorf("lookup %s: %w", n.host, ErrTimeout)
}

// inTurn returns the addresses, beginning with the one whose turn it is and without those that are
// skipped, unless all are. The caller holds n.mu.
func (n *name) inTurn() []netip.AddrPort {
	now := time.Now()
	from := slices.DeleteFunc(slices.Clone(n.known), func(ip netip.Addr) bool { return now.Before(n.skipped[ip]) })
	if len(from) == 0 {
		from = n.known
	}
	all := make([]netip.AddrPort, len(from))
	for i := range from {
		all[i] = netip.AddrPortFrom(from[(i+n.turn)%len(from)], n.port)
	}
	n.turn++
	return all
}

// skip leaves an address out for skipTime.
func (n *name) skip(addr netip.AddrPort) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.skipped[addr.Addr()] = time.Now().Add(skipTime)
}

// lookUp looks the addresses up, and closes done.
func (n *name) lookUp(done chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	found, err := n.resolver.LookupNetIP(ctx, "ip", n.host)
	if err == nil && len(found) == 0 {
		err = errors.New("the name has no address")
	}
	gone, turned := n.take(found, err)
	for _, conn := range gone {
		conn.retire()
	}
	close(done)
	if turned && n.onLookup != nil {
		n.onLookup(n.host, err)
	}
}

// take stores the result of a lookup. It returns the connections to addresses that are gone, and
// whether the lookup before this one went otherwise.
func (n *name) take(found []netip.Addr, err error) (gone []retirer, turned bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.looking, n.at = nil, time.Now()
	turned = n.failing != (err != nil)
	n.failing = err != nil
	if err != nil {
		if n.err = err; !errors.As(err, new(*net.DNSError)) { // A DNSError names the host itself.
			n.err = fmt.Errorf("lookup %s: %w", n.host, err)
		}
		return nil, turned
	}
	for i, ip := range found {
		found[i] = ip.Unmap()
	}
	slices.SortFunc(found, netip.Addr.Compare) // Resolvers shuffle, which would undo the turns.
	found = slices.Compact(found)
	n.known, n.doubted, n.err = found, false, nil
	for ip := range n.skipped {
		if !slices.Contains(found, ip) {
			delete(n.skipped, ip)
		}
	}
	for conn, ip := range n.conns {
		if !slices.Contains(found, ip) {
			gone = append(gone, conn)
		}
	}
	return gone, turned
}

// hold notes that a connection goes to one of the name's addresses.
func (n *name) hold(conn retirer, ip netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conns[conn] = ip
}

// letGo forgets a connection.
func (n *name) letGo(conn retirer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.conns, conn)
}
