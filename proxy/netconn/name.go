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
	// lookupInterval is how old a name's addresses may be when something is dialed. It is then
	// looked up again, and nobody waits for that.
	lookupInterval = 10 * time.Second
	// doubtInterval is the same after a lookup that failed, and after a dial that reached no
	// address.
	doubtInterval = time.Second
	// lookupTimeout bounds one lookup.
	lookupTimeout = 5 * time.Second
	// skipTime is for how long an address that could not be connected to is left out.
	skipTime = 10 * time.Second
)

// name is the host and port of backends that are dialed, and what its addresses are. They are
// looked up at the first dial, and again by those that find them old; until another lookup
// succeeds, the last ones serve. Nothing on a request's way uses it but a dial.
type name struct {
	host     string
	port     uint16
	resolver Resolver
	// onLookup is called when lookups begin to fail, and when they succeed again; it may be nil.
	onLookup func(host string, err error)

	mu sync.Mutex
	// known are the addresses that were found last, at is when the last lookup ended, and err is
	// why there are no addresses yet.
	known []netip.Addr
	at    time.Time
	err   error
	// failing says that the last lookup failed, and doubted that no address was reached since.
	failing, doubted bool
	// looking is closed at the end of the lookup that runs; nil if none does.
	looking chan struct{}
	// turn counts the dials, which take the addresses in turn.
	turn int
	// skipped has the addresses that are left out, and until when.
	skipped map[netip.Addr]time.Time
	// conns are the connections to the name, and the address that each goes to.
	conns map[retirer]netip.Addr
}

// retirer is a connection to a name. It is to end after its use when its address is gone.
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

// addresses are those to dial, in their order. It waits for a lookup only while there are none.
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

// doubt notes that a dial reached none of the addresses, or somebody else there: they may belong
// to others now.
func (n *name) doubt() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.doubted = true
	n.refresh()
}

// await waits for the end of a lookup, if one runs, and says why there are no addresses. The
// caller holds n.mu, which is free meanwhile.
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

// inTurn starts with the address whose turn it is, and leaves those out that are skipped, unless
// all of them are. The caller holds n.mu.
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

// lookUp finds out what the addresses are now, and closes done.
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

// take takes the result of a lookup, and returns the connections to addresses that are gone. turned
// says that the lookup before it went otherwise.
func (n *name) take(found []netip.Addr, err error) (gone []retirer, turned bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.looking, n.at = nil, time.Now()
	turned = n.failing != (err != nil)
	n.failing = err != nil
	if err != nil {
		if n.err = err; !errors.As(err, new(*net.DNSError)) { // which names the host itself
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

// hold notes that a connection goes to an address of the name's.
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
