package proxy

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer/tlstest"
	"gopher-equalizer/proxy/certs"
)

// on has the proxy serve another listener, too. It ends with the test.
func (p *proxied) on(how Listener) (*proxied, net.Listener) {
	p.t.Helper()
	ln, served := listen(p.t), make(chan error, 1)
	go func() { served <- p.Serve(ln, how) }()
	p.t.Cleanup(func() {
		p.Retire(ln)
		assert.NoError(p.t, <-served)
	})
	return &proxied{Proxy: p.Proxy, t: p.t, addr: ln.Addr().String(), pool: p.pool, log: p.log}, ln
}

// authority issues the certificates of a test's listeners.
type authority struct {
	*tlstest.CA
	server *certs.Server
}

// serves makes the TLS of listeners, with a certificate for names.
func serves(t *testing.T, names ...string) authority {
	t.Helper()
	ca := tlstest.NewCA(t)
	cert, key := tlstest.Files(t, ca.Issue(names...))
	loaded, faults := certs.Load(certs.Files{Cert: cert, Key: key})
	require.Empty(t, faults)
	return authority{ca, certs.NewServer(certs.NewSet([]*certs.Certificate{loaded}, nil))}
}

var tls12 = certs.Policy{MinVersion: tls.VersionTLS12}

// dialTLS connects by TLS. The connection ends with the test.
func (p *proxied) dialTLS(config *tls.Config) *conn {
	p.t.Helper()
	plain := p.dial()
	secure := tls.Client(plain.Conn, config)
	require.NoError(p.t, secure.Handshake())
	return &conn{Conn: secure, t: p.t, br: bufio.NewReader(secure)}
}

func (a authority) client(name string) *tls.Config {
	return &tls.Config{RootCAs: a.Roots(), ServerName: name}
}

// A client by TLS is served like others, and the backend knows that it came by https. Responses
// have the Strict-Transport-Security of the listener, ours too, and once.
func TestClientByTLS(t *testing.T) {
	const hsts = "max-age=31536000; includeSubDomains"
	b, got := answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nStrict-Transport-Security: max-age=1\r\nLocation: http://a.test/x\r\n\r\nok")
	p := proxyTo(t, b.addr)
	a := serves(t, "a.test", "b.test")
	secured, _ := p.on(Listener{TLS: a.server.Listener(tls12, nil), HSTS: hsts})
	c := secured.dialTLS(a.client("a.test"))
	for range 2 {
		answer := c.do(get("a.test", "/x?y"))
		assert.Equal(t, "ok", answer.body)
		assert.Equal(t, []string{hsts}, answer.Header["Strict-Transport-Security"])
	}
	assert.Contains(t, got.list()[0], "\r\nX-Forwarded-Proto: https\r\n")
	assert.Contains(t, got.list()[0], "\r\nX-Forwarded-Port: 443\r\n")
	assert.Equal(t, "ok", c.do(get("b.test", "/")).body, "the host may be another where nobody is asked for a certificate")
	p.pool.none.Store(true)
	answer := c.do(get("a.test", "/"))
	secured.isProblem(answer, 503, "no-backend")
	assert.Equal(t, []string{hsts}, answer.Header["Strict-Transport-Security"])
	p.pool.none.Store(false)

	answer = p.dial().do(get("a.test", "/"))
	assert.Equal(t, []string{"max-age=1"}, answer.Header["Strict-Transport-Security"], "that of the backend, in clear")
	assert.Contains(t, got.list()[3], "\r\nX-Forwarded-Proto: http\r\n")
}

// A listener in clear redirects to the same URL by https, and lets an authority's challenges pass.
func TestRedirectToHTTPS(t *testing.T) {
	b, _ := answering(t, ok)
	p := proxyTo(t, b.addr)
	f := func(port int, request, location string) {
		t.Helper()
		redirecting, _ := p.on(Listener{RedirectTo: port, HSTS: "max-age=1"})
		c := redirecting.dial()
		for range 2 {
			answer := c.do(request)
			assert.Equal(t, 308, answer.StatusCode)
			assert.Equal(t, location, answer.Header.Get("Location"))
			assert.Empty(t, answer.Header["Strict-Transport-Security"])
			assert.NotEmpty(t, answer.Header.Get("X-Request-ID"))
		}
		assert.Equal(t, "ok", c.do(get("a.test", "/.well-known/acme-challenge/token")).body)
	}
	f(443, get("a.test", "/x//y?a=b&c"), "https://a.test/x//y?a=b&c")
	f(8443, get("A.test:8080", "/"), "https://a.test:8443/")
	f(443, get("[2001:db8::1]:80", "/"), "https://[2001:db8::1]/")
	f(443, get("a.test", "http://b.test"), "https://b.test/")
	f(443, get("a.test", "http://b.test?q"), "https://b.test/?q")
	f(443, "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n", "https://a.test/")
	f(443, get("a.test", `/\evil.test//`), "https://a.test/%5Cevil.test//")
	f(443, "POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\nbody", "https://a.test/x")
	redirecting, _ := p.on(Listener{RedirectTo: 443})
	for _, path := range []string{"", "../../x", "%2e%2e/%2e%2e/x", "token/x", "token/../../../x", "..%2f..%2fx", "token;x", "?x"} {
		path = "/.well-known/acme-challenge/" + path
		answer := redirecting.dial().do(get("a.test", path))
		assert.Equal(t, 308, answer.StatusCode, "%s leads elsewhere", path)
	}
	p.isProblem(redirecting.dial().do("GET / HTTP/1.0\r\n\r\n"), 404, "nothing")
}

// A request for a host that asks for a certificate doesn't come over another host's connection.
func TestMisdirected(t *testing.T) {
	b, got := answering(t, ok)
	p := proxyTo(t, b.addr)
	a := serves(t, "open.test", "safe.test")
	authorities, err := certs.LoadAuthorities(a.File())
	require.NoError(t, err)
	secured, _ := p.on(Listener{TLS: a.server.Listener(tls12, map[string]certs.Policy{
		"safe.test": {MinVersion: tls.VersionTLS12, ClientAuth: certs.AuthRequire, Authorities: authorities},
	})})
	c := secured.dialTLS(a.client("open.test"))
	secured.isProblem(c.do(get("safe.test", "/")), 421, "another host")
	assert.Empty(t, got.list())
	assert.Equal(t, "ok", c.do(get("open.test", "/")).body)
	withCertificate := a.client("safe.test")
	withCertificate.Certificates = []tls.Certificate{a.Issue("client")}
	c = secured.dialTLS(withCertificate)
	for range 2 {
		assert.Equal(t, "ok", c.do(get("safe.test:443", "/", "X-Client-Cert-Subject: CN=forged")).body)
	}
	for _, request := range got.list()[1:] {
		assert.Contains(t, request, "\r\nX-Client-Cert-Subject: CN=client\r\n")
		assert.Contains(t, request, "\r\nX-Client-Cert-SAN: DNS:client\r\n")
		assert.NotContains(t, request, "forged")
	}
	assert.NotContains(t, got.list()[0], "X-Client-Cert")
	secured.isProblem(c.do(get("open.test", "/")), 421, "another host")
	line := p.logged(1)
	assert.Equal(t, 421, line.Status)
	assert.Equal(t, "misdirected", line.Reason)
}

// A host that requires certificates isn't served in clear. It is redirected, and authorities can
// check its domain.
func TestHostThatRequiresCertificatesInClear(t *testing.T) {
	b, got := answering(t, ok)
	p := proxyTo(t, b.addr)
	clear := certs.NewClear(map[string]certs.Policy{"*.safe.test": {ClientAuth: certs.AuthRequire}, "asked.test": {ClientAuth: certs.AuthRequest}})
	plain, ln := p.on(Listener{Clear: clear})
	c := plain.dial()
	for _, host := range []string{"a.safe.test", "b.a.SAFE.test.:80"} {
		plain.isProblem(c.do(get(host, "/")), 421, "certificate")
	}
	plain.isProblem(c.do(get("a.test", "http://a.safe.test/")), 421, "certificate")
	assert.Empty(t, got.list())
	assert.Equal(t, "in-clear", p.logged(1).Reason)
	for _, host := range []string{"a.test", "asked.test", "safe.test"} {
		assert.Equal(t, "ok", c.do(get(host, "/")).body)
	}
	assert.Equal(t, "ok", c.do(get("a.safe.test", "/.well-known/acme-challenge/token")).body)
	p.Change(ln, Listener{Clear: clear, RedirectTo: 443})
	assert.Equal(t, 308, c.do(get("a.safe.test", "/")).StatusCode)
}

// A client that speaks HTTP in clear where it must speak TLS is told so, and so is the log; also
// where it is the other way round.
func TestTheOtherProtocol(t *testing.T) {
	b, got := answering(t, ok)
	p := proxyTo(t, b.addr)
	a := serves(t, "a.test")
	secured, _ := p.on(Listener{TLS: a.server.Listener(tls12, nil)})
	for i, request := range []string{get("a.test", "/"), "HEAD / HTTP/1.0\r\n\r\n", post + "Content-Length: 100000\r\n\r\n" + strings.Repeat("x", 100_000), "get / HTTP/1.1\r\n\r\n"} {
		c := secured.dial()
		require.True(t, c.send(request))
		answer := c.readAnswer("GET")
		secured.isProblem(answer, 400, "https://")
		c.expectEnd()
		line := p.logged(i + 1)
		assert.Equal(t, 400, line.Status)
		assert.Equal(t, "not-tls", line.Reason)
		assert.EqualValues(t, len(answer.body), line.Size)
	}
	assert.EqualValues(t, 4, p.Stats().Responses.ClientError)
	assert.EqualValues(t, 4, p.Stats().Total)

	for i, begin := range []string{"\x00\x01\x02\x03\x04\x05\x06\x07", "SSH-2.0-x\r\n"} {
		c := secured.dial()
		require.True(t, c.send(begin))
		c.expectEnd()
		assert.EqualValues(t, i+1, p.Stats().FailedHandshakes)
	}
	assert.Equal(t, "a client's TLS handshake failed", p.logged(5).Message)

	c := p.dial()
	_ = c.SetDeadline(time.Now().Add(patience))
	err := tls.Client(c.Conn, a.client("a.test")).Handshake()
	assert.ErrorContains(t, err, "first record does not look like a TLS handshake")
	line := p.logged(7)
	assert.Equal(t, "tls", line.Reason)
	assert.Equal(t, "the client speaks TLS, but this address is served in clear", line.Error)

	// An empty line in what is random of a hello makes no request's head of it.
	p.isProblem(p.dial().do("\x16\x03\x01\x02\x00\x01\xfc\n\r\n"), 400, "speaks TLS")
	assert.Equal(t, "tls", p.logged(8).Reason)
	assert.Empty(t, got.list())
}

// A client whose handshake fails is counted and logged with the reason. One that leaves before it
// has sent anything isn't.
func TestFailedHandshakes(t *testing.T) {
	b, _ := answering(t, ok)
	p := proxyTo(t, b.addr)
	a := serves(t, "a.test")
	secured, _ := p.on(Listener{TLS: a.server.Listener(tls12, nil)})
	for _, linger := range []int{-1, 0} { // It closes, or resets, the connection.
		c := secured.dial()
		require.Eventually(t, func() bool { return p.Stats().Connections == 1 }, patience, time.Millisecond)
		require.NoError(t, c.Conn.(*net.TCPConn).SetLinger(linger))
		require.NoError(t, c.Conn.Close())
		require.Eventually(t, func() bool { return p.Stats().Connections == 0 }, patience, time.Millisecond)
	}
	assert.Zero(t, p.Stats().FailedHandshakes)
	c := secured.dial()
	assert.EqualError(t, tls.Client(c.Conn, a.client("b.test")).Handshake(), "remote error: tls: unrecognized name")
	c.expectEnd()
	assert.EqualValues(t, 1, p.Stats().FailedHandshakes)
	assert.Contains(t, p.log.lines()[0], "no certificate is for \\\"b.test\\\"")
	assert.Zero(t, p.Stats().Total)
}

// A reload changes how a listener is served. Connections go on as they began.
func TestListenerThatChanges(t *testing.T) {
	b, got := answering(t, ok)
	p := proxyTo(t, b.addr)
	a := serves(t, "a.test")
	changing, ln := p.on(Listener{})
	clear := changing.dial()
	assert.Equal(t, "ok", clear.do(get("a.test", "/")).body)
	p.Change(ln, Listener{TLS: a.server.Listener(tls12, nil), HSTS: "max-age=2"})
	secure := changing.dialTLS(a.client("a.test"))
	answer := secure.do(get("a.test", "/"))
	assert.Equal(t, "max-age=2", answer.Header.Get("Strict-Transport-Security"))
	assert.Equal(t, "ok", clear.do(get("a.test", "/")).body)
	assert.Contains(t, got.list()[1], "\r\nX-Forwarded-Proto: https\r\n")
	assert.Contains(t, got.list()[2], "\r\nX-Forwarded-Proto: http\r\n")
	p.Change(ln, Listener{RedirectTo: 1})
	assert.Equal(t, "ok", secure.do(get("a.test", "/")).body)
	assert.Equal(t, 308, clear.do(get("a.test", "/")).StatusCode)
	assert.Equal(t, 308, changing.dial().do(get("a.test", "/")).StatusCode)
	p.Change(listen(t), Listener{RedirectTo: 1}) // Nobody serves it.
}

// What TLS wants of clients after a reload also counts for connections that there are: their next
// request is 421, and they are closed.
func TestConnectionsOfBeforeTLSWantedMore(t *testing.T) {
	b, got := answering(t, ok)
	p := proxyTo(t, b.addr)
	a := serves(t, "a.test", "b.test")
	trusting := func(ca *tlstest.CA) *certs.Authorities {
		authorities, err := certs.LoadAuthorities(ca.File())
		require.NoError(t, err)
		return authorities
	}
	asking := func(auth certs.ClientAuth, ca *tlstest.CA) certs.Policy {
		return certs.Policy{MinVersion: tls.VersionTLS12, ClientAuth: auth, Authorities: trusting(ca)}
	}
	tls13, another := certs.Policy{MinVersion: tls.VersionTLS13}, tlstest.NewCA(t)
	inTLS := func(policy certs.Policy) Listener { return Listener{TLS: a.server.Listener(policy, nil)} }
	anonymous, certified, old := a.client("a.test"), a.client("a.test"), a.client("a.test")
	certified.Certificates = []tls.Certificate{a.Issue("client")}
	old.MaxVersion = tls.VersionTLS12

	f := func(before, after Listener, client *tls.Config, goesOn bool) {
		t.Helper()
		changing, ln := p.on(before)
		c := changing.dial()
		if client != nil {
			c = changing.dialTLS(client)
		}
		require.Equal(t, "ok", c.do(get("a.test", "/")).body)
		p.Change(ln, after)
		seen := len(got.list())
		if goesOn {
			for range 2 {
				assert.Equal(t, "ok", c.do(get("a.test", "/")).body)
			}
			return
		}
		answer := c.do(get("a.test", "/"))
		changing.isProblem(answer, 421, "make another one")
		assert.True(t, answer.Close)
		c.expectEnd()
		assert.Len(t, got.list(), seen)
	}
	requiredBefore, required, required2 := asking(certs.AuthRequire, a.CA), asking(certs.AuthRequire, a.CA), asking(certs.AuthRequire, another)
	requested := asking(certs.AuthRequest, a.CA)
	f(inTLS(tls12), inTLS(required), anonymous, false)
	f(inTLS(requested), inTLS(required), anonymous, false)
	f(inTLS(requiredBefore), inTLS(required2), certified, false)
	f(inTLS(requested), inTLS(tls12), certified, false)
	f(inTLS(tls12), inTLS(tls13), old, false)
	f(Listener{}, inTLS(required), nil, false)

	f(inTLS(requiredBefore), inTLS(required), certified, true)
	f(inTLS(requested), inTLS(required), certified, true)
	f(inTLS(required), inTLS(requested), certified, true)
	f(inTLS(tls12), inTLS(requested), anonymous, true)
	f(inTLS(tls12), inTLS(tls13), anonymous, true)
	f(Listener{}, inTLS(requested), nil, true)

	ofHost := func(host string) Listener {
		return Listener{TLS: a.server.Listener(tls12, map[string]certs.Policy{host: required})}
	}
	f(inTLS(tls12), ofHost("a.test"), anonymous, false)
	f(inTLS(tls12), ofHost("b.test"), anonymous, true)
	f(Listener{}, ofHost("*.test"), nil, false)
	f(Listener{}, ofHost("b.test"), nil, true)
	assert.Equal(t, "outdated", p.logged(2).Reason)
}

// Bodies of all kinds go both ways by TLS.
func TestBodiesByTLS(t *testing.T) {
	echo := startBackend(t, func(c *conn, _ int) {
		for head := c.readHead(); head != ""; head = c.readHead() {
			body, _ := c.readBody(head)
			if !c.send("HTTP/1.1 200 OK\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + string(body)) {
				return
			}
		}
	})
	p := proxyTo(t, echo.addr)
	a := serves(t, "a.test")
	secured, _ := p.on(Listener{TLS: a.server.Listener(tls12, nil)})
	c := secured.dialTLS(a.client("a.test"))
	for _, size := range []int{0, 1, 10_000, 16 << 10, 1 << 20} {
		body := strings.Repeat("0123456789abcdef", size/16+1)[:size]
		sent := make(chan struct{})
		go func() {
			_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: "+strconv.Itoa(size)+"\r\n\r\n"+body)
			close(sent)
		}()
		answer := c.readAnswer("POST")
		<-sent
		require.NoError(t, answer.err)
		assert.True(t, body == answer.body, "%d bytes", size)
	}
}

// ofCryptoTLS is how often crypto/tls allocates for a request: a reader of 24 bytes whenever it
// looks for a record, here and in the client.
const ofCryptoTLS = 2

// In steady state, a request by TLS costs no allocation of ours, also where its host must be that
// of TLS.
func TestRequestsByTLSDoNotAllocate(t *testing.T) {
	p := proxyTo(t, lean(t, ok))
	a := serves(t, "a.test")
	authorities, err := certs.LoadAuthorities(a.File())
	require.NoError(t, err)
	asking := certs.Policy{MinVersion: tls.VersionTLS12, ClientAuth: certs.AuthRequest, Authorities: authorities}
	secured, ln := p.on(Listener{TLS: a.server.Listener(asking, nil), HSTS: "max-age=1"})
	do := leanOver(t, secured.dialTLS(a.client("a.test")).Conn, get("a.test:443", "/"))
	for range 100 {
		do()
	}
	assert.LessOrEqual(t, testing.AllocsPerRun(1000, do), float64(mostAllocs+ofCryptoTLS))
	p.Change(ln, Listener{TLS: a.server.Listener(asking, nil), HSTS: "max-age=1"})
	assert.LessOrEqual(t, testing.AllocsPerRun(1000, do), float64(mostAllocs+ofCryptoTLS), "after a reload")
}
