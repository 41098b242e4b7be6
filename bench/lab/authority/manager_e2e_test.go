//go:build e2e

package authority

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/certs/acme"
	"gopher-equalizer/store/memory"
)

// openAndHear makes a manager that tries again soon. The channel gets each of its failures.
func (e *edge) openAndHear(t *testing.T) (*acme.Manager, <-chan error) {
	t.Helper()
	failed := make(chan error, 100)
	return e.open(t, acme.Options{Blobs: memory.NewBlobs(), RetryAfter: func(_ int, err error) time.Duration {
		failed <- err
		return 100 * time.Millisecond
	}}), failed
}

// A certificate is obtained, and is there again after a restart without another order.
func TestIssue(t *testing.T) {
	e := newEdge(t)
	a := e.authority(t)
	blobs := memory.NewBlobs()
	settings := acme.Settings{Domains: []string{"one.test", "two.test"}, CA: a.Directory, Roots: a.Roots, Email: "ops@one.test"}
	m := e.open(t, acme.Options{Blobs: blobs})
	m.Use(settings)
	for _, domain := range settings.Domains {
		eventually(t, domain, func() bool { return e.serves(a, domain) })
	}
	assert.False(t, e.serves(a, "three.test"))
	assert.Equal(t, 2, a.Orders())
	for _, s := range m.Status() {
		assert.Equal(t, s.Domain, s.Certificate.DNSNames[0])
		assert.False(t, s.SelfSigned)
		assert.NoError(t, s.Failure)
	}

	// A domain more, a domain less: the one that stays is served all the time.
	settings.Domains = []string{"two.test", "three.test"}
	m.Use(settings)
	assert.True(t, e.serves(a, "two.test"))
	assert.False(t, e.serves(a, "one.test"))
	eventually(t, "three.test", func() bool { return e.serves(a, "three.test") })
	assert.Equal(t, 3, a.Orders())

	e.close(t, m)
	m = e.open(t, acme.Options{Blobs: blobs})
	m.Use(settings)
	for _, domain := range settings.Domains {
		eventually(t, domain, func() bool { return e.serves(a, domain) })
	}
	assert.Equal(t, 3, a.Orders())
}

// While the authority is away, clients get a self-signed certificate if that is wanted, and else
// none. When it returns, they get a good one.
func TestAuthorityAway(t *testing.T) {
	e := newEdge(t)
	a := e.authority(t)
	a.GoAway()
	settings := acme.Settings{Domains: []string{"one.test"}, CA: a.Directory, Roots: a.Roots}
	m, failed := e.openAndHear(t)
	m.Use(settings)
	_, err := e.gets("one.test")
	require.ErrorContains(t, err, "handshake failure")
	require.Error(t, <-failed)
	eventually(t, "a failure", func() bool { return m.Status()[0].Failure != nil })
	settings.SelfSigned = true
	m.Use(settings)
	cert, err := e.gets("one.test")
	require.NoError(t, err)
	assert.Equal(t, []string{"one.test"}, cert.DNSNames)
	assert.True(t, m.Status()[0].SelfSigned)
	a.Return()
	eventually(t, "a certificate", func() bool { return e.serves(a, "one.test") })
	require.NoError(t, m.Status()[0].Failure)
}

// A domain that leads elsewhere fails, says so, and doesn't hold up the others.
func TestWrongDNS(t *testing.T) {
	e := newEdge(t)
	a := e.authority(t)
	a.Point("wrong.test", "127.0.0.254")
	m, failed := e.openAndHear(t)
	m.Use(acme.Settings{Domains: []string{"wrong.test", "right.test"}, CA: a.Directory, Roots: a.Roots})
	eventually(t, "right.test", func() bool { return e.serves(a, "right.test") })
	err := <-failed
	require.ErrorContains(t, err, "wrong.test")
	require.ErrorContains(t, err, "127.0.0.254")
	a.Point("wrong.test", "127.0.0.1")
	eventually(t, "wrong.test", func() bool { return e.serves(a, "wrong.test") })
}

// A certificate whose time comes is renewed, and clients get the new one.
func TestRenew(t *testing.T) {
	e := newEdge(t)
	a := Start(t, Settings{HTTPPort: e.httpPort, TLSPort: e.tlsPort, Life: 6})
	m := e.open(t, acme.Options{Blobs: memory.NewBlobs()})
	m.Use(acme.Settings{Domains: []string{"one.test"}, CA: a.Directory, Roots: a.Roots})
	eventually(t, "a certificate", func() bool { return e.serves(a, "one.test") })
	first, err := e.gets("one.test")
	require.NoError(t, err)
	eventually(t, "another one", func() bool {
		now, err := e.gets("one.test")
		return err == nil && now.SerialNumber.Cmp(first.SerialNumber) != 0
	})
	assert.GreaterOrEqual(t, a.Orders(), 2)
}

// A process that ends in the middle of an order leaves nothing that keeps its successor from it.
func TestRestartDuringOrder(t *testing.T) {
	e := newEdge(t)
	a := e.authority(t)
	blobs := memory.NewBlobs()
	settings := acme.Settings{Domains: []string{"one.test"}, CA: a.Directory, Roots: a.Roots}
	m := e.open(t, acme.Options{Blobs: blobs})
	m.Use(settings)
	eventually(t, "an order", func() bool { return a.Orders() == 1 })
	e.close(t, m)
	m = e.open(t, acme.Options{Blobs: blobs})
	m.Use(settings)
	eventually(t, "a certificate", func() bool { return e.serves(a, "one.test") })
}

// Either way of checking a domain suffices.
func TestChallenges(t *testing.T) {
	e := newEdge(t)
	a := e.authority(t)
	m := e.open(t, acme.Options{Blobs: memory.NewBlobs()})
	settings := acme.Settings{CA: a.Directory, Roots: a.Roots}
	for domain, http := range map[string]bool{"http.test": true, "alpn.test": false} {
		e.http.Store(http)
		e.alpn.Store(!http)
		settings.Domains = []string{domain}
		m.Use(settings)
		eventually(t, domain, func() bool { return e.serves(a, domain) })
	}
}

// The authority may have a certificate renewed early (ARI), and is told what the new one replaces.
func TestHurry(t *testing.T) {
	e := newEdge(t)
	a := e.authority(t)
	a.Hurry()
	m := e.open(t, acme.Options{Blobs: memory.NewBlobs()})
	m.Use(acme.Settings{Domains: []string{"one.test"}, CA: a.Directory, Roots: a.Roots})
	eventually(t, "an order that replaces", func() bool { return a.Replacing() >= 1 })
	eventually(t, "a certificate", func() bool { return e.serves(a, "one.test") && a.Orders() == 2 })
	assert.Equal(t, 1, a.Hurried())
}

// Without a store, a folder keeps everything, for this user only.
func TestFolder(t *testing.T) {
	e := newEdge(t)
	a := e.authority(t)
	folder := filepath.Join(t.TempDir(), "acme")
	settings := acme.Settings{Domains: []string{"one.test"}, CA: a.Directory, Roots: a.Roots}
	m := e.open(t, acme.Options{Folder: folder})
	m.Use(settings)
	eventually(t, "a certificate", func() bool { return e.serves(a, "one.test") })
	e.close(t, m)
	files := 0
	require.NoError(t, filepath.Walk(folder, func(path string, info os.FileInfo, err error) error {
		if info.Mode().IsRegular() {
			files++
		}
		assert.Zero(t, info.Mode().Perm()&0o077, "%s: %v", path, info.Mode())
		return err
	}))
	assert.GreaterOrEqual(t, files, 4)
	m = e.open(t, acme.Options{Folder: folder})
	m.Use(settings)
	eventually(t, "a certificate", func() bool { return e.serves(a, "one.test") })
	assert.Equal(t, 1, a.Orders())
}

// A hook puts records into the DNS, also several of one name: those of a domain and its wildcard.
func TestHook(t *testing.T) {
	e := newEdge(t)
	e.http.Store(false)
	e.alpn.Store(false)
	a := e.authority(t)
	t.Setenv(hookURL, serveHook(t, a))
	hook := acme.Hook{Command: []string{os.Args[0], "an argument"}, Timeout: patience, Propagation: time.Millisecond}
	settings := acme.Settings{Domains: []string{"one.test", "*.one.test"}, CA: a.Directory, Roots: a.Roots, Hook: hook}
	m := e.open(t, acme.Options{Blobs: memory.NewBlobs()})
	m.Use(settings)
	eventually(t, "one.test", func() bool { return e.serves(a, "one.test") })
	eventually(t, "any.one.test", func() bool { return e.serves(a, "any.one.test") })
	assert.False(t, e.serves(a, "a.b.one.test"))
	eventually(t, "no record", func() bool { return len(a.DNS.GetDNSTXTRecords("_acme-challenge.one.test.")) == 0 })
}

// Another authority issues anew, and clients get the former certificate until it has. Another email
// address changes nothing.
func TestOtherAuthority(t *testing.T) {
	e := newEdge(t)
	a, b := e.authority(t), e.authority(t)
	m, failed := e.openAndHear(t)
	settings := acme.Settings{Domains: []string{"one.test"}, CA: a.Directory, Roots: a.Roots}
	m.Use(settings)
	eventually(t, "a certificate", func() bool { return e.serves(a, "one.test") })
	settings.Email = "ops@one.test"
	m.Use(settings)
	b.GoAway()
	settings.CA, settings.Roots = b.Directory, b.Roots
	m.Use(settings)
	require.Error(t, <-failed)
	assert.True(t, e.serves(a, "one.test"))
	b.Return()
	eventually(t, "the other one", func() bool { return e.serves(b, "one.test") })
	assert.Equal(t, 1, a.Orders())
	assert.Equal(t, 1, b.Orders())
}
