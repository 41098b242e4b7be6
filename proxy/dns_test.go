package proxy

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy/netconn/deadtest"
)

// dnsServer is a DNS server that knows one name. While it is away it takes queries and says
// nothing.
type dnsServer struct {
	conn net.PacketConn
	mu   sync.Mutex
	a    []netip.Addr
	away bool
	// asked counts the queries for addresses of the name.
	asked int
}

func startDNS(t *testing.T, addrs ...string) *dnsServer {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &dnsServer{conn: conn}
	s.set(false, addrs...)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if reply := s.answer(buf[:n]); reply != nil {
				_, _ = conn.WriteTo(reply, from)
			}
		}
	}()
	t.Cleanup(func() { conn.Close(); <-ended })
	return s
}

func (s *dnsServer) set(away bool, addrs ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away, s.a = away, nil
	for _, a := range addrs {
		s.a = append(s.a, netip.MustParseAddr(a))
	}
}

// queries is how many came for IPv4 addresses.
func (s *dnsServer) queries() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// answer makes a reply to a query (RFC 1035, section 4.1); nil while the server is away.
func (s *dnsServer) answer(query []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	const header, typeA = 12, 1
	nameEnd := header + bytes.IndexByte(query[header:], 0) + 1
	question := query[header : nameEnd+4]
	var addrs []netip.Addr
	if binary.BigEndian.Uint16(query[nameEnd:]) == typeA {
		s.asked++
		addrs = s.a
	}
	if s.away {
		return nil
	}
	reply := append([]byte{query[0], query[1], 0x84, 0}, 0, 1, 0, byte(len(addrs)), 0, 0, 0, 0)
	reply = append(reply, question...)
	for _, a := range addrs {
		// The name is that of the question; class IN, and a second to live.
		reply = append(reply, 0xc0, header, 0, typeA, 0, 1, 0, 0, 0, 1, 0, 4)
		reply = append(reply, a.AsSlice()...)
	}
	return reply
}

// resolver asks the server, and nobody else.
func (s *dnsServer) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", s.conn.LocalAddr().String())
	}}
}

// backendAt answers on one loopback address with its name, and closes each connection after that.
func backendAt(t *testing.T, host, port string) *backend {
	t.Helper()
	ln, err := net.Listen("tcp", net.JoinHostPort(host, port))
	require.NoError(t, err)
	return serveOn(t, ln, func(c *conn, _ int) {
		c.readRequest()
		c.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\n" + host)
	})
}

// behindName is a proxy before one backend, app.test, that each loopback address in hosts serves.
// The backends end with the test.
func behindName(t *testing.T, dns *dnsServer, hosts ...string) (p *proxied, pool *balancer.Pool, backends []*backend) {
	t.Helper()
	port := "0"
	for _, host := range hosts {
		backends = append(backends, backendAt(t, host, port))
		_, port, _ = net.SplitHostPort(backends[0].addr)
	}
	log := &logBuffer{}
	cs := connectionSettings()
	cs.Resolver, cs.Logger = dns.resolver(), zerolog.New(log)
	at := probed(t, balancer.Settings{
		Name:      "test",
		Backends:  []balancer.BackendSettings{{URL: "http://app.test", Addr: "app.test:" + port, Weight: 1, State: balancer.Ready}},
		Health:    balancer.HealthSettings{Type: balancer.HealthHTTP, Path: "/", Interval: time.Minute, Timeout: patience, Rise: 1, Fall: 1},
		NewProber: NewBackends(cs).New,
		Logger:    zerolog.Nop(),
	})
	p = startProxy(t, settings(), at, nil)
	p.log = log // that of the names
	return p, at.balancers[0], backends
}

// answers counts who answers some requests.
func (p *proxied) answers() map[string]int {
	counts := map[string]int{}
	c := p.dial()
	for range 6 {
		counts[c.do(plainGet).body]++
	}
	return counts
}

// Both addresses of a name serve, and one alone does when the other refuses. No request looks it
// up.
func TestBackendBehindAName(t *testing.T) {
	dns := startDNS(t, "127.0.0.1", "127.0.0.2")
	p, pool, backends := behindName(t, dns, "127.0.0.1", "127.0.0.2")
	assert.Equal(t, map[string]int{"127.0.0.1": 3, "127.0.0.2": 3}, p.answers())
	deadtest.Close(t, backends[1].ln)
	assert.Equal(t, map[string]int{"127.0.0.1": 6}, p.answers())
	pool.Probe(t.Context())
	assert.True(t, pool.Status()[0].Healthy)
	assert.Zero(t, p.Stats().Retries, "a refused address is passed by within the connect")
	assert.Equal(t, 1, dns.queries())
}
