package authority

import (
	"bytes"
	"crypto/x509"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func opened(t *testing.T, folder string, now time.Time) *Authority {
	t.Helper()
	a, err := Open(folder, now)
	require.NoError(t, err)
	return a
}

// leaf is a certificate that an authority issued, and the mode of its file.
func leaf(t *testing.T, a *Authority, now time.Time) (*x509.Certificate, fs.FileMode) {
	t.Helper()
	file, err := a.Issue(now)
	require.NoError(t, err)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	read := &Authority{}
	require.NoError(t, read.parse(text), "the file has the certificate and its key")
	info, err := os.Stat(file)
	require.NoError(t, err)
	return read.cert, info.Mode().Perm()
}

// verify verifies a certificate for a host, by what is in an authority's file.
func verify(t *testing.T, a *Authority, cert *x509.Certificate, host string, at time.Time) error {
	t.Helper()
	text, err := os.ReadFile(a.CertFile())
	require.NoError(t, err)
	require.NotContains(t, string(text), "KEY")
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(text))
	_, err = cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: host, CurrentTime: at})
	return err
}

func TestAuthorityIsMadeOnce(t *testing.T) {
	folder, now := filepath.Join(t.TempDir(), "a", "b"), time.Now()
	first := opened(t, folder, now)
	assert.True(t, first.Made())
	again := opened(t, folder, now)
	assert.False(t, again.Made())
	assert.Equal(t, first.cert.Raw, again.cert.Raw)
	for path, want := range map[string]fs.FileMode{"": 0o700, wholeFile: 0o600, certFile: 0o644} {
		info, err := os.Stat(filepath.Join(folder, path))
		require.NoError(t, err)
		assert.Equal(t, want, info.Mode().Perm(), path)
	}
	cert, mode := leaf(t, again, now)
	assert.EqualValues(t, 0o600, mode)
	for _, host := range []string{"localhost", "shop.localhost", "127.0.0.1", "[::1]"} {
		require.NoError(t, verify(t, first, cert, host, now), host)
		require.NoError(t, verify(t, first, cert, host, now.Add(-30*time.Minute)), "a clock that is behind")
	}
	require.Error(t, verify(t, first, cert, "localhost", now.Add(91*24*time.Hour)))
	assert.Less(t, cert.NotAfter.Sub(cert.NotBefore), 398*24*time.Hour, "browsers take no longer ones")
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	assert.Len(t, entries, 3, "nothing temporary is left")
}

// Whoever has the key can't pose as anybody else.
func TestAuthorityIsForLocalhostAlone(t *testing.T) {
	now := time.Now()
	a := opened(t, t.TempDir(), now)
	f := func(change func(*x509.Certificate), host string) {
		t.Helper()
		forged := template(now, issued)
		change(forged)
		_, cert, err := a.sign(forged)
		require.NoError(t, err)
		assert.ErrorContains(t, verify(t, a, cert, host, now), "is not permitted", host)
	}
	named := func(name string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.DNSNames = []string{name} }
	}
	f(named("example.com"), "example.com")
	f(named("notlocalhost"), "notlocalhost")
	f(named("localhost.example.com"), "localhost.example.com")
	for _, address := range []string{"192.0.2.1", "128.0.0.1", "::2"} {
		f(func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.ParseIP(address)} }, "["+address+"]")
	}
	assert.True(t, a.cert.PermittedDNSDomainsCritical)
	assert.True(t, a.cert.MaxPathLenZero)
}

// An authority that would end before its certificates do is replaced in time.
func TestAuthorityThatEnds(t *testing.T) {
	folder, now := t.TempDir(), time.Now()
	first := opened(t, folder, now)
	soon := first.cert.NotAfter.Add(-issued)
	assert.False(t, opened(t, folder, soon).Made())
	second := opened(t, folder, soon.Add(time.Second))
	assert.True(t, second.Made())
	assert.NotEqual(t, first.cert.Raw, second.cert.Raw)
	assert.False(t, opened(t, folder, soon.Add(time.Second)).Made())
	cert, _ := leaf(t, second, soon)
	require.NoError(t, verify(t, second, cert, "localhost", soon))
}

// Of processes that make one at the same time, all use the same.
func TestAuthorityIsMadeOnceByMany(t *testing.T) {
	folder := t.TempDir()
	all := make([]*Authority, 8)
	var running sync.WaitGroup
	for i := range all {
		running.Go(func() {
			var err error
			all[i], err = Open(folder, time.Now())
			assert.NoError(t, err)
		})
	}
	running.Wait()
	made := 0
	for _, a := range all {
		require.NotNil(t, a)
		require.Equal(t, all[0].cert.Raw, a.cert.Raw)
		if a.Made() {
			made++
		}
	}
	assert.Equal(t, 1, made)
}

func TestAuthorityThatCannotBeUsed(t *testing.T) {
	now := time.Now()
	f := func(want string, change func(path string, text []byte) error) {
		t.Helper()
		a := opened(t, t.TempDir(), now)
		path := filepath.Join(a.folder, wholeFile)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, change(path, text))
		_, err = Open(a.folder, now)
		require.ErrorContains(t, err, path+": "+want)
	}
	f("other users of this machine could read the key", func(path string, _ []byte) error { return os.Chmod(path, 0o640) })
	f("it doesn't begin with a certificate; want the folder removed", func(path string, _ []byte) error { return os.WriteFile(path, []byte("x"), 0o600) })
	f("there is no key behind", func(path string, text []byte) error { return os.WriteFile(path, text[:len(text)-200], 0o600) })
	f("the key isn't that of the certificate", func(path string, text []byte) error {
		other, err := os.ReadFile(filepath.Join(opened(t, t.TempDir(), now).folder, wholeFile))
		if err != nil {
			return err
		}
		const end = "END CERTIFICATE-----\n"
		own, _, _ := bytes.Cut(text, []byte(end))
		_, foreign, _ := bytes.Cut(other, []byte(end))
		return os.WriteFile(path, slices.Concat(own, []byte(end), foreign), 0o600)
	})
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := Open(filepath.Join(file, "below"), now)
	require.Error(t, err)
}
