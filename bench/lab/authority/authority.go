// Package authority runs a certificate authority for tests, with the DNS server that it asks. The
// authority is pebble, which Let's Encrypt makes for tests.
package authority

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/letsencrypt/challtestsrv"
	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/stretchr/testify/require"
)

// Settings are what an authority does.
type Settings struct {
	// HTTPPort and TLSPort are those at which it checks domains.
	HTTPPort, TLSPort int
	// Life is for how long its certificates are good, in seconds.
	Life uint64
}

// Authority is a running one. It finds each domain at 127.0.0.1 unless DNS is told otherwise.
type Authority struct {
	// Directory is the URL of its directory, and Roots verify that.
	Directory string
	Roots     *x509.CertPool
	DNS       *challtestsrv.ChallSrv

	server *httptest.Server
	ca     *ca.CAImpl
	orders atomic.Int64
	away   atomic.Bool
	// replacing counts the orders that name a certificate which they replace, hurried the responses
	// that Hurry changed.
	replacing, hurried atomic.Int64
	hurry              atomic.Bool
}

// Start starts an authority, which ends with the test.
func Start(t *testing.T, s Settings) *Authority {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_AUTHZREUSE", "0")
	quiet := log.New(io.Discard, "", 0)
	a := &Authority{}
	dns := "127.0.0.1:" + freePort(t)
	var err error
	a.DNS, err = challtestsrv.New(challtestsrv.Config{Log: quiet, DNSAddrs: []string{dns}})
	require.NoError(t, err)
	a.DNS.SetDefaultDNSIPv4("127.0.0.1")
	a.DNS.SetDefaultDNSIPv6("")
	go a.DNS.Run()
	t.Cleanup(a.DNS.Shutdown)
	store := db.NewMemoryStore()
	profiles := map[string]ca.Profile{"default": {Description: "default", ValidityPeriod: s.Life}}
	a.ca = ca.New(quiet, store, "", "ecdsa", 0, 1, profiles)
	front := wfe.New(quiet, store, va.New(quiet, s.HTTPPort, s.TLSPort, false, dns, store), a.ca, []string{"pebble.test"}, false, false, 1, 1)
	a.server = httptest.NewTLSServer(a.before(front.Handler()))
	t.Cleanup(a.server.Close)
	a.Directory = a.server.URL + wfe.DirectoryPath
	a.Roots = x509.NewCertPool()
	a.Roots.AddCert(a.server.Certificate())
	return a
}

// The paths of requests that order a certificate, and of those that ask when to renew one.
const newOrder, renewalInfo = "/order-plz", "/draft-ietf-acme-ari-03/renewalInfo/"

// before is what happens to requests before pebble gets them.
func (a *Authority) before(pebble http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case a.away.Load():
			panic(http.ErrAbortHandler)
		case r.URL.Path == newOrder:
			w = &counting{w, &a.orders}
			if replaces(r) {
				a.replacing.Add(1)
			}
		case strings.HasPrefix(r.URL.Path, renewalInfo) && a.hurry.CompareAndSwap(true, false):
			a.hurried.Add(1)
			start := time.Now().Add(-time.Hour)
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Retry-After", "21600")
			_ = json.NewEncoder(w).Encode(map[string]any{"suggestedWindow": map[string]time.Time{"start": start, "end": start.Add(time.Minute)}})
			return
		}
		pebble.ServeHTTP(w, r)
	})
}

// replaces reports whether an order says which certificate it replaces (RFC 9773).
func replaces(r *http.Request) bool {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	var signed struct{ Payload string }
	var order struct{ Replaces string }
	_ = json.Unmarshal(body, &signed) // What is malformed replaces nothing.
	payload, _ := base64.RawURLEncoding.DecodeString(signed.Payload)
	_ = json.Unmarshal(payload, &order)
	return order.Replaces != ""
}

// counting counts the responses that say that something was created. Others are to requests that
// have to come again: pebble refuses some nonces for practice.
type counting struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (c *counting) WriteHeader(status int) {
	if status == http.StatusCreated {
		c.n.Add(1)
	}
	c.ResponseWriter.WriteHeader(status)
}

// freePort is a port of the loopback device that nobody has.
func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	_, port, err := net.SplitHostPort(ln.Addr().String())
	require.NoError(t, err)
	return port
}

// RootsFile is a file with what verifies the directory.
func (a *Authority) RootsFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "directory.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.server.Certificate().Raw})
	require.NoError(t, os.WriteFile(path, text, 0o600))
	return path
}

// Issuing are the authorities that its certificates are verified by.
func (a *Authority) Issuing() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.ca.GetRootCert(0).Cert)
	return pool
}

// Orders is how many certificates were ordered.
func (a *Authority) Orders() int { return int(a.orders.Load()) }

// Hurry makes the next response about the time to renew a certificate say that it has passed (ARI).
func (a *Authority) Hurry() { a.hurry.Store(true) }

// Hurried is how many such responses there were.
func (a *Authority) Hurried() int { return int(a.hurried.Load()) }

// Replacing is how many orders had a certificate that they replace.
func (a *Authority) Replacing() int { return int(a.replacing.Load()) }

// GoAway has it break off each connection, until Return.
func (a *Authority) GoAway() { a.away.Store(true) }

// Return ends GoAway.
func (a *Authority) Return() { a.away.Store(false) }

// Point has the authority find a domain at an address.
func (a *Authority) Point(domain, address string) {
	a.DNS.DeleteDNSARecord(domain) // Else it would be at both.
	a.DNS.AddDNSARecord(domain, []string{address})
}
