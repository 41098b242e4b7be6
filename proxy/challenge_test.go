package proxy

import (
	"crypto/tls"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer/tlstest"
	"gopher-equalizer/proxy/certs"
)

// fakeAuthority knows the challenge of one host.
type fakeAuthority struct{ cert tls.Certificate }

func (fakeAuthority) Answer(host, path string) (string, bool) {
	return "token.thumbprint", host == "a.test" && path == "/.well-known/acme-challenge/token"
}

func (f fakeAuthority) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }

func (f fakeAuthority) Proof(name string) (*tls.Certificate, error) {
	if name != "a.test" {
		return nil, errors.New("unknown")
	}
	return &f.cert, nil
}

// An authority's request is answered before anything else: redirects, routes, limits. One that is
// about another's challenge goes on to the backend.
func TestChallengeByHTTP(t *testing.T) {
	b, got := answering(t, ok)
	s := settings()
	s.Challenges = fakeAuthority{}
	l := &fakeLimiter{}
	s.Limit = "default"
	l.left.Store(1)
	p := startProxy(t, s, poolOf(t, connectionSettings(), b.addr), l)
	redirecting, _ := p.on(Listener{RedirectTo: 443})
	for _, in := range []*proxied{p, redirecting} {
		c := in.dial()
		for range 3 {
			answer := c.do(get("A.test:80", "/.well-known/acme-challenge/token?x"))
			assert.Equal(t, 200, answer.StatusCode)
			assert.Equal(t, "token.thumbprint", answer.body)
			assert.Equal(t, "text/plain", answer.Header.Get("Content-Type"))
		}
	}
	assert.Empty(t, got.list())
	assert.EqualValues(t, 1, l.left.Load())
	assert.EqualValues(t, 6, p.Stats().Responses.Successful)
	assert.Equal(t, 200, p.logged(1).Status)

	c := redirecting.dial()
	assert.Equal(t, "ok", c.do(get("b.test", "/.well-known/acme-challenge/token")).body)
	assert.Equal(t, 429, c.do("HEAD /.well-known/acme-challenge/token HTTP/1.1\r\nHost: a.test\r\n\r\n").StatusCode)
	assert.Equal(t, 308, c.do(get("a.test", "/")).StatusCode)
}

// An authority may look by a handshake, also where clients need a certificate. Nothing comes behind
// it.
func TestChallengeByTLS(t *testing.T) {
	b, got := answering(t, ok)
	p := proxyTo(t, b.addr)
	a := serves(t, "a.test")
	proof := tlstest.NewCA(t).Issue("a.test")
	a.server.Ask(fakeAuthority{proof})
	authorities, err := certs.LoadAuthorities(a.File())
	require.NoError(t, err)
	strict := certs.Policy{MinVersion: tls.VersionTLS12, ClientAuth: certs.AuthRequire, Authorities: authorities}
	secured, _ := p.on(Listener{TLS: a.server.Listener(strict, nil)})
	config := &tls.Config{ServerName: "a.test", NextProtos: []string{certs.ChallengeProtocol}, InsecureSkipVerify: true}
	c := secured.dialTLS(config)
	state := c.Conn.(*tls.Conn).ConnectionState()
	assert.Equal(t, proof.Leaf.Raw, state.PeerCertificates[0].Raw)
	assert.Equal(t, certs.ChallengeProtocol, state.NegotiatedProtocol)
	c.send(get("a.test", "/")) // The connection may be closed already.
	require.NoError(t, c.SetReadDeadline(time.Now().Add(patience)))
	rest, _ := io.ReadAll(c)
	assert.Empty(t, string(rest))
	assert.Empty(t, got.list())

	config.ServerName = "b.test"
	plain := secured.dial()
	require.Error(t, tls.Client(plain.Conn, config).Handshake())
}
