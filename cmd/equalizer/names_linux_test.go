package main

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"gopher-equalizer/balancer/tlstest"
)

// dnsServer is a DNS server that knows app.test.
type dnsServer struct {
	conn net.PacketConn
	mu   sync.Mutex
	code dnsmessage.RCode
	all  []string
}

func startDNS(t *testing.T) *dnsServer {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &dnsServer{conn: conn}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if reply, err := s.reply(buf[:n]); err == nil {
				_, _ = conn.WriteTo(reply, from)
			}
		}
	}()
	t.Cleanup(func() { conn.Close(); <-ended })
	return s
}

// says has the server reply with a code, and with addresses if that is success.
func (s *dnsServer) says(code dnsmessage.RCode, all ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.code, s.all = code, all
}

func (s *dnsServer) reply(query []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil || len(m.Questions) != 1 {
		return nil, errors.Join(err, errors.New("no question"))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := m.Questions[0]
	m.Header.Response, m.Header.RCode, m.Additionals = true, s.code, nil
	switch {
	case q.Name.String() != "app.test.":
		m.Header.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA:
		for _, text := range s.all {
			body := &dnsmessage.AResource{A: netip.MustParseAddr(text).As4()}
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1}, Body: body})
		}
	}
	return m.Pack()
}

// addressedBackends are on several loopback addresses with one port. Each responds with its
// address, and notes if a request came before a probe, or with another Host than the name's.
type addressedBackends struct {
	port string
	odd  atomic.Int64
}

func startAddressed(t *testing.T, addresses ...string) *addressedBackends {
	t.Helper()
	a := &addressedBackends{port: "0"}
	for _, address := range addresses {
		ln, err := net.Listen("tcp", net.JoinHostPort(address, a.port))
		require.NoError(t, err)
		_, a.port, _ = net.SplitHostPort(ln.Addr().String())
		var probed atomic.Bool
		s := &httptest.Server{Listener: ln, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			isProbe := r.URL.Path == "/health"
			if isProbe {
				probed.Store(true)
			}
			if !probed.Load() || isProbe && r.Host != "app.test:"+a.port {
				a.odd.Add(1)
			}
			fmt.Fprint(w, address)
		})}}
		s.Start()
		t.Cleanup(s.Close)
	}
	return a
}

// keptLoad is clients that send requests on a connection each, until stop.
type keptLoad struct {
	quit      chan struct{}
	clients   sync.WaitGroup
	requests  atomic.Int64
	mu        sync.Mutex
	failures  []string
	responded map[string]int
}

func startKeptLoad(url string, clients int) *keptLoad {
	l := &keptLoad{quit: make(chan struct{}), responded: map[string]int{}}
	for range clients {
		l.clients.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for {
				select {
				case <-l.quit:
					return
				default:
					l.send(client, url)
				}
			}
		})
	}
	return l
}

func (l *keptLoad) send(client *http.Client, url string) {
	response, err := client.Get(url)
	var body []byte
	if err == nil {
		body, err = io.ReadAll(response.Body)
		response.Body.Close()
	}
	l.requests.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil:
		l.failures = append(l.failures, err.Error())
	case response.StatusCode != 200:
		l.failures = append(l.failures, response.Status)
	default:
		l.responded[string(body)]++
	}
}

// who are the addresses that have responded since the last call.
func (l *keptLoad) who() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := slices.Sorted(maps.Keys(l.responded))
	clear(l.responded)
	return all
}

func (l *keptLoad) stop() {
	close(l.quit)
	l.clients.Wait()
}

// ids are those of GET /backends, and the last lookup's error.
func (p *proxied) ids() (all []string, lookupError string) {
	p.t.Helper()
	var views []struct {
		ID          string
		LookupError string `json:"lookup_error"`
	}
	require.NoError(p.t, json.Unmarshal([]byte(p.call("GET", "/backends", "").body), &views))
	for _, b := range views {
		all, lookupError = append(all, b.ID), b.LookupError
	}
	return all, lookupError
}

// The addresses of a name come and go under load, and the resolver breaks down, and no request
// fails.
func TestAddressesComeAndGoUnderLoad(t *testing.T) {
	dns, at := startDNS(t), startAddressed(t, "127.0.0.2", "127.0.0.3", "127.0.0.4")
	dns.says(dnsmessage.RCodeServerFailure)
	url := "http://app.test:" + at.port
	r := launchWith(t, local0+fmt.Sprintf("[pools.web]\nbackends = [%q]\nresolve_interval = \"1s\"\nresolver = %q\n"+
		"health = { path = \"/health\", interval = \"500ms\", timeout = \"500ms\", fall = 100 }\n", url, dns.conn.LocalAddr()))
	has := func(addresses ...string) func() bool {
		var want []string
		for _, a := range addresses {
			want = append(want, "web/"+url+"@"+a)
		}
		return func() bool {
			ids, err := r.ids()
			return slices.Equal(want, ids) && err == ""
		}
	}
	ids, lookupError := r.ids()
	assert.Equal(t, []string{"web/" + url}, ids, "a name that isn't known yet is there")
	assert.Equal(t, "server misbehaving", lookupError)

	dns.says(dnsmessage.RCodeSuccess, "127.0.0.3", "127.0.0.2")
	r.await("two addresses", has("127.0.0.2", "127.0.0.3"))
	load := startKeptLoad(r.proxy+"/", 4)
	served := func(want ...string) {
		t.Helper()
		load.who()
		r.await("responses of "+fmt.Sprint(want), func() bool { return slices.Equal(want, load.who()) })
	}
	served("127.0.0.2", "127.0.0.3")

	dns.says(dnsmessage.RCodeSuccess, "127.0.0.3", "127.0.0.4")
	r.await("another address", has("127.0.0.3", "127.0.0.4"))
	served("127.0.0.3", "127.0.0.4")

	// What an operator wants is the URL's.
	assert.Equal(t, 400, r.call("PATCH", "/backends/web/"+url+"@127.0.0.3", `{"weight":5}`).status)
	assert.Equal(t, 200, r.call("PATCH", "/backends/web/"+url, `{"weight":5}`).status)

	for _, code := range []dnsmessage.RCode{dnsmessage.RCodeServerFailure, dnsmessage.RCodeNameError, dnsmessage.RCodeSuccess} {
		dns.says(code)
		r.await("an outage to be seen", func() bool { _, err := r.ids(); return err != "" })
		ids, _ = r.ids()
		assert.Equal(t, []string{"web/" + url + "@127.0.0.3", "web/" + url + "@127.0.0.4"}, ids)
		served("127.0.0.3", "127.0.0.4")
	}
	// A reload asks again, too.
	dns.says(dnsmessage.RCodeSuccess, "127.0.0.2")
	assert.Equal(t, 200, r.call("POST", "/reload", "{}").status)
	require.True(t, has("127.0.0.2")())
	served("127.0.0.2")
	var b struct{ Weight int }
	require.NoError(t, json.Unmarshal([]byte(r.call("GET", "/backends/web/"+url, "").body), &b))
	assert.Equal(t, 5, b.Weight, "a new address has what was said of the URL")

	load.stop()
	assert.Empty(t, load.failures)
	assert.Zero(t, at.odd.Load(), "no request before a probe, and the name is the Host of probes")
	r.stop()
	assert.Equal(t, 2, r.logs.count("a backend's name can't be looked up: the addresses stay that it had"), "once each")
}

// Each address of a name is asked for the name's certificate. One that is for the address isn't
// taken.
func TestAddressesByTLS(t *testing.T) {
	ca, dns := tlstest.NewCA(t), startDNS(t)
	first := startSecure(t, "127.0.0.2", ca.Issue("app.test"), &tls.Config{})
	_, port, err := net.SplitHostPort(first.host)
	require.NoError(t, err)
	startSecureAt(t, "127.0.0.3:"+port, ca.Issue("127.0.0.3"), &tls.Config{})
	startSecureAt(t, "127.0.0.4:"+port, ca.Issue("app.test"), &tls.Config{})
	dns.says(dnsmessage.RCodeSuccess, "127.0.0.2", "127.0.0.3", "127.0.0.4")
	url := "https://app.test:" + port
	r := launchWith(t, local0+fmt.Sprintf("[pools.web]\nbackends = [%q]\nresolve_interval = \"1h\"\nresolver = %q\n"+
		"health = { interval = \"24h\", timeout = \"10s\" }\ntls.ca = %q\n", url, dns.conn.LocalAddr(), ca.File()))
	var all []struct {
		ID        string
		Requests  int64
		LastProbe string `json:"last_probe"`
	}
	for range 4 {
		a := r.get("/")
		require.Equal(t, 200, a.status)
		assert.Contains(t, a.body, " sni=app.test ")
	}
	require.NoError(t, json.Unmarshal([]byte(r.call("GET", "/backends", "").body), &all))
	require.Len(t, all, 3)
	for i, want := range []string{"200 in ", "certificate is not valid for any names, but wanted to match app.test", "200 in "} {
		assert.Equal(t, fmt.Sprintf("web/%s@127.0.0.%d", url, i+2), all[i].ID)
		assert.Contains(t, all[i].LastProbe, want)
		assert.EqualValues(t, []int{2, 0, 2}[i], all[i].Requests)
	}
	r.stop()
}
