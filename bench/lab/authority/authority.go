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
	"sync"
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
	away   atomic.Bool
	// orders is when each certificate was ordered. mu guards it.
	mu     sync.Mutex
	orders []time.Time
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
			w = &telling{w, a.ordered}
			if replaces(r) {
				a.replacing.Add(1)
			}
		case strings.HasPrefix(r.URL.Path, renewalInfo) && a.hurry.CompareAndSwap(true, false):
			a.hurried.Add(1)
			start := time.Now().Add(-time.Hour)
			suggest(w, window{start, start.Add(time.Minute)})
			return
		case strings.HasPrefix(r.URL.Path, renewalInfo):
			suggestLate(w, r, pebble)
			return
		}
		pebble.ServeHTTP(w, r)
	})
}

// window is when an authority suggests that a certificate be renewed.
type window struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// suggest suggests a window, and that it be asked for again in 6 hours.
func suggest(w http.ResponseWriter, of window) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Retry-After", "21600")
	_ = json.NewEncoder(w).Encode(map[string]window{"suggestedWindow": of})
}

// suggestLate suggests the last two fifths of pebble's window. That is two days around two thirds
// of a certificate's life, cut to that life. One of some seconds might be renewed right after it
// was issued. Clients want at least 2 seconds.
func suggestLate(w http.ResponseWriter, r *http.Request, pebble http.Handler) {
	response := httptest.NewRecorder()
	pebble.ServeHTTP(response, r)
	var of struct{ SuggestedWindow window }
	if response.Code != http.StatusOK || json.Unmarshal(response.Body.Bytes(), &of) != nil {
		http.Error(w, response.Body.String(), response.Code)
		return
	}
	all := of.SuggestedWindow
	suggest(w, window{all.End.Add(-all.End.Sub(all.Start) * 2 / 5), all.End})
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

// telling calls created at a response that says that something was created. Others are to requests
// that have to come again: pebble refuses some nonces for practice.
type telling struct {
	http.ResponseWriter
	created func()
}

func (t *telling) WriteHeader(status int) {
	if status == http.StatusCreated {
		t.created()
	}
	t.ResponseWriter.WriteHeader(status)
}

// ordered notes an order.
func (a *Authority) ordered() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.orders = append(a.orders, time.Now())
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
func (a *Authority) Orders() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.orders)
}

// Intervals are the times between an order and the next one.
func (a *Authority) Intervals() (all []time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := 1; i < len(a.orders); i++ {
		all = append(all, a.orders[i].Sub(a.orders[i-1]))
	}
	return all
}

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
