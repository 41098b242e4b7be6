//go:build e2e && linux

package authority

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench/lab/child"
	"gopher-equalizer/bench/lab/testbed"
	"gopher-equalizer/store/postgres/pgtest"
)

// shipped is the binary, and what its processes have in common.
type shipped struct {
	*testbed.Bed
	t   *testing.T
	ctx context.Context
	// web and secure are the addresses of the listeners that the authority asks.
	web, secure string
	authority   *Authority
	roots       string
	backend     string
	// acme is more of the configuration's table of that name.
	acme string
}

// newShipped builds the binary, and starts an authority whose certificates are good for so many
// seconds; 0 is for long.
func newShipped(t *testing.T, life uint64) *shipped {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // Most of it is for the build.
	t.Cleanup(cancel)
	bed, err := testbed.Open("authority")
	require.NoError(t, err)
	t.Cleanup(bed.Close)
	require.NoError(t, bed.BuildRacy(ctx, testbed.Equalizer))
	addresses, err := child.FreeAddresses(2)
	require.NoError(t, err)
	s := &shipped{Bed: bed, t: t, ctx: ctx, web: addresses[0], secure: addresses[1]}
	s.authority = Start(t, Settings{HTTPPort: port(t, s.web), TLSPort: port(t, s.secure), Life: life})
	s.roots = s.authority.RootsFile(t)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("X-Forwarded-Proto"))
	}))
	t.Cleanup(backend.Close)
	s.backend = backend.URL
	return s
}

func port(t *testing.T, address string) int {
	t.Helper()
	_, text, err := net.SplitHostPort(address)
	require.NoError(t, err)
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

// edgeProcess is a running one.
type edgeProcess struct {
	*child.Process
	*shipped
	file, web, secure, admin string
}

// config is a configuration with these domains and this store.
func (p *edgeProcess) config(store string, domains ...string) string {
	list, err := json.Marshal(domains)
	require.NoError(p.t, err)
	return fmt.Sprintf("[[listeners]]\nlisten = %q\nredirect_https = true\n[[listeners]]\nlisten = %q\ntls = true\n"+
		"[tls.acme]\ndomains = %s\nagree_to_terms = true\nca = %q\nca_roots = %q\n%s[admin]\nlisten = %q\n[pools.a]\nbackends = [%q]\n%s",
		p.web, p.secure, list, p.authority.Directory, p.roots, p.acme, p.admin, p.backend, store)
}

// start starts a process on the listeners' addresses, or on others.
func (s *shipped) start(web, secure, store string, env []string, domains ...string) *edgeProcess {
	s.t.Helper()
	addresses, err := child.FreeAddresses(1)
	require.NoError(s.t, err)
	dir, err := s.Folder()
	require.NoError(s.t, err)
	p := &edgeProcess{shipped: s, file: filepath.Join(dir, "equalizer.toml"), web: web, secure: secure, admin: addresses[0]}
	require.NoError(s.t, os.WriteFile(p.file, []byte(p.config(store, domains...)), 0o600))
	p.run(env)
	s.t.Cleanup(func() {
		p.Stop() // Before the folder that its store is in goes.
		if s.t.Failed() {
			text, _ := p.Output()
			s.t.Log(text)
		}
	})
	return p
}

// run runs the process, and waits until it is ready, which it is without a certificate.
func (p *edgeProcess) run(env []string) {
	p.t.Helper()
	var err error
	p.Process, err = p.Start(child.Program{Path: p.Program(testbed.Equalizer), Args: []string{"-c", p.file}, Env: env})
	require.NoError(p.t, err)
	require.NoError(p.t, p.Await(p.ctx, func() error { _, err := testbed.Get(p.ctx, "http://"+p.admin+"/readyz"); return err }))
}

// reload has another configuration be in force.
func (p *edgeProcess) reload(config string) {
	p.t.Helper()
	require.NoError(p.t, os.WriteFile(p.file, []byte(config), 0o600))
	response, err := http.Post("http://"+p.admin+"/reload", "application/json", strings.NewReader("{}"))
	require.NoError(p.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(p.t, err)
	require.Equal(p.t, http.StatusOK, response.StatusCode, string(text))
}

// gets returns the certificate by which a host was asked for its page; nil if that failed.
func (p *edgeProcess) gets(host string) *x509.Certificate {
	dialer := &tls.Dialer{Config: &tls.Config{ServerName: host, RootCAs: p.authority.Issuing()}}
	transport := &http.Transport{DialTLSContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, p.secure)
	}, DisableKeepAlives: true}
	client := &http.Client{Transport: transport, Timeout: patience}
	response, err := client.Get("https://" + host + "/")
	if err != nil {
		return nil
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || string(body) != "https" {
		return nil
	}
	// The transport doesn't know that the connection has TLS.
	conn, err := dialer.DialContext(p.ctx, "tcp", p.secure)
	if err != nil {
		return nil
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
}

func (p *edgeProcess) awaits(host string) (cert *x509.Certificate) {
	p.t.Helper()
	eventually(p.t, host, func() bool { cert = p.gets(host); return cert != nil })
	return cert
}

// awaitsOther is awaits of another certificate than the former one.
func (p *edgeProcess) awaitsOther(host string, former *x509.Certificate) (cert *x509.Certificate) {
	p.t.Helper()
	eventually(p.t, "another certificate for "+host, func() bool {
		cert = p.gets(host)
		return cert != nil && !cert.Equal(former)
	})
	return cert
}

// listed is a certificate as the admin API has it.
type listed struct {
	Names    []string
	ACME     bool
	DaysLeft int `json:"days_left"`
	Warnings []string
}

func (p *edgeProcess) certificates() (all []listed) {
	p.t.Helper()
	require.NoError(p.t, testbed.GetJSON(p.ctx, "http://"+p.admin+"/certificates", &all))
	return all
}

// said reports whether the process has logged a text.
func (p *edgeProcess) said(text string) bool {
	p.t.Helper()
	all, err := p.Output()
	require.NoError(p.t, err)
	return strings.Contains(all, text)
}

// From an empty folder to a site by https, over reloads, a kill and a restart. No certificate is
// ordered twice.
func TestShippedEdge(t *testing.T) {
	s := newShipped(t, 0)
	store := fmt.Sprintf("[store]\npath = %q\n", filepath.Join(t.TempDir(), "data", "equalizer.db"))
	const limited = "[limits.default]\ncapacity = 1000\n"
	p := s.start(s.web, s.secure, store+limited, nil, "one.test")
	first := p.awaits("one.test")
	assert.Equal(t, 1, s.authority.Orders())

	p.reload(p.config(store+limited, "one.test", "two.test"))
	assert.Equal(t, first.SerialNumber, p.gets("one.test").SerialNumber)
	p.awaits("two.test")
	assert.Equal(t, 2, s.authority.Orders())
	listed := p.certificates()
	require.Len(t, listed, 2)
	assert.Equal(t, []string{"one.test"}, listed[0].Names)
	assert.True(t, listed[0].ACME && listed[0].DaysLeft > 30, listed)
	assert.Empty(t, listed[0].Warnings)

	require.NoError(t, p.Signal(syscall.SIGKILL))
	eventually(t, "its end", p.Ended)
	p.run(nil)
	assert.Equal(t, first.SerialNumber, p.awaits("one.test").SerialNumber)
	p.awaits("two.test")
	p.Stop()
	p.run(nil)
	assert.Equal(t, first.SerialNumber, p.awaits("one.test").SerialNumber)
	assert.Equal(t, 2, s.authority.Orders())

	// Without limits, the file is only open while it is used.
	p.reload(p.config(store, "two.test"))
	assert.Nil(t, p.gets("one.test"))
	p.Stop()
	p.run(nil)
	p.awaits("two.test")
	assert.Equal(t, 2, s.authority.Orders())
}

// A process that is killed while it orders leaves an order, and its successor has a certificate.
func TestShippedKillDuringOrder(t *testing.T) {
	s := newShipped(t, 0)
	store := fmt.Sprintf("[store]\npath = %q\n[limits.default]\n", filepath.Join(t.TempDir(), "equalizer.db"))
	p := s.start(s.web, s.secure, store, nil, "one.test")
	eventually(t, "an order", func() bool { return s.authority.Orders() == 1 })
	require.NoError(t, p.Signal(syscall.SIGKILL))
	eventually(t, "its end", p.Ended)
	p.run(nil)
	// The one that was killed may have had the lock of the domain, which ends by itself.
	require.Eventually(t, func() bool { return p.gets("one.test") != nil }, time.Minute, 50*time.Millisecond)
}

// Two processes without limits share a PostgreSQL: one certificate is ordered, and both have it,
// whichever the authority asks. Each is renewed once, and both have that, too.
func TestShippedTwoOnPostgreSQL(t *testing.T) {
	cluster, err := pgtest.Start()
	require.NoError(t, err)
	t.Cleanup(cluster.Close)
	host, portText, err := net.SplitHostPort(cluster.Address())
	require.NoError(t, err)
	s := newShipped(t, shortLife)
	store := fmt.Sprintf("[store]\ndriver = \"postgres\"\n[store.postgres]\nhost = %q\nport = %s\ndbname = \"postgres\"\n", host, portText)
	key := []string{"EQUALIZER_STORE_KEY=" + strings.Repeat("a1", 32)}
	others, err := child.FreeAddresses(2)
	require.NoError(t, err)
	one := s.start(s.web, s.secure, store, key, "one.test")
	two := s.start(others[0], others[1], store, key, "one.test")
	cert := one.awaits("one.test")
	assert.Equal(t, cert.SerialNumber, two.awaits("one.test").SerialNumber)
	assert.Equal(t, 1, s.authority.Orders())
	one.awaitsOther("one.test", cert)
	two.awaitsOther("one.test", cert)
	var renewed *x509.Certificate
	eventually(t, "the same new certificate at both", func() bool {
		renewed = one.gets("one.test")
		other := two.gets("one.test")
		return renewed != nil && other != nil && renewed.Equal(other)
	})
	// A slow machine may have come to another renewal by now, but to none that came too early.
	for _, interval := range s.authority.Intervals() {
		assert.Greater(t, interval, shortLife*time.Second/3)
	}

	// With another key nothing can be read, and GET /certificates has the reason.
	two.Stop()
	two.run([]string{"EQUALIZER_STORE_KEY=" + strings.Repeat("b2", 32)})
	eventually(t, "a warning", func() bool {
		text, err := testbed.Get(s.ctx, "http://"+two.admin+"/certificates")
		return err == nil && strings.Contains(string(text), "want the former secret")
	})
}
