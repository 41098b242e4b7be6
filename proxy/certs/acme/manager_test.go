package acme

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/mholt/acmez/v3/acme"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/store/memory"
)

// directory is that of an authority that is never there.
const directory = "https://127.0.0.1:1/dir"

func manager(t *testing.T, blobs Blobs, log zerolog.Logger) *Manager {
	t.Helper()
	m, err := New(Options{
		Blobs: blobs, Timeout: timeout, Logger: log,
		RetryAfter: func(int, error) time.Duration { return time.Hour },
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		require.NoError(t, m.Close(ctx))
	})
	return m
}

func hello(name string) *tls.ClientHelloInfo { return &tls.ClientHelloInfo{ServerName: name} }

// While there is no certificate, clients get one that is signed by itself, or none.
func TestSelfSigned(t *testing.T) {
	m := manager(t, memory.NewBlobs(), zerolog.Nop())
	gets := func(name string) string {
		t.Helper()
		cert, err := m.Certificate(hello(name))
		require.NoError(t, err)
		switch cert {
		case nil:
			return ""
		case notYet:
			return "none yet"
		}
		return cert.Leaf.DNSNames[0]
	}
	assert.Empty(t, gets("one.test"))
	assert.Empty(t, gets(""))
	assert.Nil(t, m.Status())
	s := Settings{Domains: []string{"one.test", "*.two.test"}, CA: directory}
	m.Use(s)
	for _, name := range []string{"one.test", "ONE.test", "", "a.two.test"} {
		assert.Equal(t, "none yet", gets(name), name)
	}
	for _, name := range []string{"two.test", "a.b.two.test", "a.one.test", "three.test", "test"} {
		assert.Empty(t, gets(name), name)
	}
	s.SelfSigned = true
	m.Use(s)
	assert.Equal(t, "one.test", gets("one.test"))
	assert.Equal(t, "one.test", gets("ONE.test"))
	assert.Equal(t, "one.test", gets(""))
	assert.Equal(t, "*.two.test", gets("a.two.test"))
	assert.Empty(t, gets("two.test"))
	assert.Empty(t, gets("a.b.two.test"))
	assert.Empty(t, gets("three.test"))
	first, err := m.Certificate(hello("one.test"))
	require.NoError(t, err)
	s.Domains = []string{"three.test", "one.test"}
	s.Email = "ops@one.test"
	m.Use(s)
	again, err := m.Certificate(hello("one.test"))
	require.NoError(t, err)
	assert.Same(t, first, again)
	assert.Equal(t, "three.test", gets("three.test"))
	assert.Empty(t, gets("a.two.test"))
	assert.True(t, m.Status()[1].SelfSigned)
	s.SelfSigned = false
	m.Use(s)
	assert.Equal(t, "none yet", gets("one.test"))
	m.Use(Settings{})
	assert.Empty(t, m.Status())
}

// A handshake for a domain that has no certificate yet fails with handshake_failure, in each
// version of TLS.
func TestNoCertificateYet(t *testing.T) {
	m := manager(t, memory.NewBlobs(), zerolog.Nop())
	m.Use(Settings{Domains: []string{"one.test"}, CA: directory})
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		client, server := net.Pipe()
		failed := make(chan error)
		go func() { failed <- tls.Server(server, &tls.Config{GetCertificate: m.Certificate}).Handshake() }()
		err := tls.Client(client, &tls.Config{ServerName: "one.test", MaxVersion: version}).Handshake()
		require.EqualError(t, err, "remote error: tls: handshake failure")
		require.Error(t, <-failed)
		require.NoError(t, client.Close())
	}
}

// Challenges that another process asked for are found in the store, by those whose domains they
// are, however often others ask.
func TestChallengesOfOthers(t *testing.T) {
	blobs := memory.NewBlobs()
	m := manager(t, blobs, zerolog.Nop())
	m.Use(Settings{Domains: []string{"one.test", "two.test"}, CA: directory})
	s := newStorage(blobs, timeout)
	there := func(domain, kind string) acme.Challenge {
		t.Helper()
		c := acme.Challenge{
			Type: kind, Token: "token", KeyAuthorization: "token.thumbprint",
			Identifier: acme.Identifier{Type: "dns", Value: domain},
		}
		value, err := json.Marshal(c)
		require.NoError(t, err)
		require.NoError(t, s.Store(t.Context(), challengeKey(directory, domain), value))
		return c
	}
	there("one.test", acme.ChallengeTypeHTTP01)
	there("two.test", acme.ChallengeTypeTLSALPN01)
	there("three.test", acme.ChallengeTypeHTTP01)
	answers := func(host, path, want string) {
		t.Helper()
		body, ok := m.Answer(host, path)
		assert.Equal(t, want, body)
		assert.Equal(t, want != "", ok)
	}
	answers("One.test", "/.well-known/acme-challenge/token", "token.thumbprint")
	answers("one.test", "/.well-known/acme-challenge/other", "")
	answers("one.test", "/", "")
	answers("two.test", "/.well-known/acme-challenge/token", "")
	answers("three.test", "/.well-known/acme-challenge/token", "")
	cert, err := m.Proof("Two.test")
	require.NoError(t, err)
	assert.Equal(t, []string{"two.test"}, cert.Leaf.DNSNames)
	for _, name := range []string{"one.test", "three.test", ""} {
		_, err := m.Proof(name)
		require.ErrorIs(t, err, errNoChallenge, name)
	}
	var others sync.WaitGroup
	for range 3 * lookupsPerSecond {
		others.Go(func() { answers("two.test", "/.well-known/acme-challenge/other", "") })
	}
	others.Wait()
	answers("one.test", "/.well-known/acme-challenge/token", "token.thumbprint")
}

// An operator reads why there is no certificate, and nothing else unless debugging.
func TestLog(t *testing.T) {
	lines := make(chan string, 1000)
	log := zerolog.New(writer(func(p []byte) { lines <- string(p) })).Level(zerolog.InfoLevel)
	m := manager(t, awayBlobs{}, log)
	m.Use(Settings{Domains: []string{"one.test"}, CA: directory})
	var line struct{ Level, Domain, Error, Message string }
	require.NoError(t, json.Unmarshal([]byte(<-lines), &line))
	assert.Equal(t, "warn", line.Level)
	assert.Equal(t, "one.test", line.Domain)
	assert.Contains(t, line.Error, errAway.Error())
	assert.Contains(t, line.Message, "no certificate yet")
	require.Eventually(t, func() bool { return m.Status()[0].Failure != nil }, timeout, time.Millisecond)
	assert.Empty(t, lines)
}

type writer func(p []byte)

func (w writer) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}

// The waits after failures grow, and are longer where an authority refuses.
func TestRetryAfter(t *testing.T) {
	away, refused := errors.New("away"), error(acme.Problem{Status: 429})
	for failures, want := range map[int]time.Duration{1: awayFirst, 2: 2 * awayFirst, 4: 8 * awayFirst, 100: awayLongest} {
		got := retryAfter(failures, away)
		assert.GreaterOrEqual(t, got, want)
		assert.LessOrEqual(t, got, want+want/4)
	}
	for failures, want := range map[int]time.Duration{1: refusedFirst, 3: 4 * refusedFirst, 100: refusedLongest} {
		assert.GreaterOrEqual(t, retryAfter(failures, refused), want)
	}
}

// The plug keeps its address taken, and connections to it end.
func TestPlug(t *testing.T) {
	p, err := newPlug()
	require.NoError(t, err)
	conn, err := net.Dial("tcp", p.Addr().String())
	require.NoError(t, err)
	_, err = conn.Read(make([]byte, 1))
	require.Error(t, err)
	_ = conn.Close()
	_, err = net.Listen("tcp", p.Addr().String())
	require.Error(t, err)
	p.close()
	ln, err := net.Listen("tcp", p.Addr().String())
	require.NoError(t, err)
	_ = ln.Close()
}
