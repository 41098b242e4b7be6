package names

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeResolver says what its maps have of a host, by the network.
type fakeResolver struct {
	mu    sync.Mutex
	ip4   []string
	ip6   []string
	err   error
	asked []string
}

func (r *fakeResolver) LookupNetIP(_ context.Context, network, host string) ([]netip.Addr, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, network+" "+host)
	of := r.ip4
	if network == "ip6" {
		of = r.ip6
	}
	switch {
	case r.err != nil:
		return nil, r.err
	case len(of) == 0:
		return nil, &net.DNSError{Err: "no such host", Name: host, Server: "10.0.0.1:53", IsNotFound: true}
	}
	var all []netip.Addr
	for _, text := range of {
		all = append(all, netip.MustParseAddr(text))
	}
	return all, nil
}

// shown are the addresses of a host as a text.
func shown(n *Names, h Host) string {
	var all []string
	for _, ip := range n.Addresses(h) {
		all = append(all, ip.String())
	}
	return strings.Join(all, " ")
}

var app = Host{Name: "app"}

func TestNamesAreThoseThatWereFoundLast(t *testing.T) {
	r := &fakeResolver{}
	n := newNames(zerolog.Nop(), func(string) Resolver { return r })
	f := func(want string, ip4, ip6 []string) {
		t.Helper()
		r.ip4, r.ip6 = ip4, ip6
		n.Look(t.Context(), app)
		require.NoError(t, n.Err(app))
		assert.Equal(t, want, shown(n, app))
	}
	assert.Empty(t, n.Addresses(app))
	require.NoError(t, n.Err(app))
	f("10.0.0.1", []string{"10.0.0.1"}, nil)
	f("10.0.0.1 10.0.0.2", []string{"10.0.0.2", "10.0.0.1", "10.0.0.2"}, nil)
	f("10.0.0.3", []string{"::ffff:10.0.0.3"}, []string{"2001:db8::1"})
	f("2001:db8::1 2001:db8::2", nil, []string{"2001:db8::2", "2001:db8::1"})
}

// An outage of any kind changes nothing, and is logged once.
func TestAnOutageChangesNothing(t *testing.T) {
	var log bytes.Buffer
	r := &fakeResolver{ip4: []string{"10.0.0.1"}}
	n := newNames(zerolog.New(&log), func(string) Resolver { return r })
	n.Look(t.Context(), app)
	assert.Empty(t, log.String())
	refused := func(ip4 []string, err error, want string) {
		t.Helper()
		r.ip4, r.err = ip4, err
		n.Look(t.Context(), app)
		assert.EqualError(t, n.Err(app), want)
		assert.Equal(t, "10.0.0.1", shown(n, app))
	}
	refused(nil, &net.DNSError{Err: "server misbehaving", Name: "app", Server: "10.0.0.1:53", IsTemporary: true}, "server misbehaving")
	refused(nil, nil, "no such host")
	refused(nil, context.DeadlineExceeded, "context deadline exceeded")
	refused(nil, errors.New("odd"), "odd")
	var many []string
	for ip := netip.MustParseAddr("10.0.0.0"); len(many) <= maxAddresses; ip = ip.Next() {
		many = append(many, ip.String())
	}
	refused(many, nil, "the name has 1001 addresses; want at most 1000")
	assert.Equal(t, `{"level":"warn","host":"app","error":"server misbehaving","addresses":1,`+
		`"message":"a backend's name can't be looked up: the addresses stay that it had"}`+"\n", log.String())

	log.Reset()
	r.ip4, r.err = []string{"10.0.0.2"}, nil
	n.Look(t.Context(), app)
	n.Look(t.Context(), app)
	require.NoError(t, n.Err(app))
	assert.Equal(t, "10.0.0.2", shown(n, app))
	assert.Equal(t, `{"level":"info","host":"app","addresses":1,"message":"a backend's name can be looked up again"}`+"\n", log.String())
}

// If the lookup by IPv4 fails, one by IPv6 that succeeds would replace all addresses.
func TestAPartOfAnOutageChangesNothing(t *testing.T) {
	r := &fakeResolver{ip4: []string{"10.0.0.1"}, ip6: []string{"2001:db8::1"}}
	n := newNames(zerolog.Nop(), func(string) Resolver { return failsBy4{r} })
	n.Look(t.Context(), app)
	assert.EqualError(t, n.Err(app), "server misbehaving")
	assert.Empty(t, n.Addresses(app))
}

// failsBy4 fails for IPv4.
type failsBy4 struct{ *fakeResolver }

func (r failsBy4) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if network == "ip4" {
		return nil, &net.DNSError{Err: "server misbehaving", Name: host}
	}
	return r.fakeResolver.LookupNetIP(ctx, network, host)
}

func TestALookupThatIsCutShortTellsNothing(t *testing.T) {
	r := &fakeResolver{}
	n := newNames(zerolog.Nop(), func(string) Resolver { return r })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n.Look(ctx, app)
	require.NoError(t, n.Err(app))
}

// Each server has an opinion of its own, and what nobody uses any more is forgotten.
func TestServersAndRetain(t *testing.T) {
	servers := map[string]*fakeResolver{"": {ip4: []string{"10.0.0.1"}}, "a:53": {ip4: []string{"10.0.0.2"}}}
	n := newNames(zerolog.Nop(), func(server string) Resolver { return servers[server] })
	other := Host{Name: "app", Server: "a:53"}
	n.Look(t.Context(), app, other)
	assert.Equal(t, "10.0.0.1", shown(n, app))
	assert.Equal(t, "10.0.0.2", shown(n, other))
	n.Retain([]Host{other})
	assert.Empty(t, shown(n, app))
	assert.Equal(t, "10.0.0.2", shown(n, other))
}
