package certs

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer/tlstest"
)

// files writes a certificate's PEM files.
func files(t testing.TB, cert tls.Certificate) Files {
	t.Helper()
	cert509, key := tlstest.Files(t, cert)
	return Files{cert509, key}
}

// loaded is a certificate that was written and loaded.
func loaded(t testing.TB, cert tls.Certificate) *Certificate {
	t.Helper()
	c, faults := Load(files(t, cert))
	require.Empty(t, faults)
	return c
}

func write(t testing.TB, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.pem")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	return path
}

func pemOf(t *testing.T, kind string, der []byte, err error) []byte {
	t.Helper()
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func rsaKey(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	require.NoError(t, err)
	return key
}

func ecKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(t, err)
	return key
}

func unchanged(*x509.Certificate) {}

// Keys are read as openssl writes them, in either file, with parameters or other blocks around.
func TestLoad(t *testing.T) {
	ca := tlstest.NewCA(t).Below()
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	ec, rsa2048 := ecKey(t, elliptic.P256()), rsaKey(t, 2048)
	f := func(cert tls.Certificate, kind string, keys ...[]byte) {
		t.Helper()
		at := files(t, cert)
		text, err := os.ReadFile(at.Cert)
		require.NoError(t, err)
		for _, key := range keys {
			at.Key = write(t, key)
			both := Files{Cert: write(t, append(append([]byte("of the site\n"), key...), text...))}
			for _, at := range []Files{at, both} {
				c, faults := Load(at)
				require.Empty(t, faults)
				assert.Equal(t, at, c.Files)
				assert.Equal(t, cert.Certificate, c.pair.Certificate, "with the chain")
				assert.Equal(t, "a.test", c.pair.Leaf.DNSNames[0])
				assert.Equal(t, kind, keyKind(c.pair.Leaf.PublicKey))
			}
		}
	}
	pkcs8 := func(key any) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		return pemOf(t, "PRIVATE KEY", der, err)
	}
	sec1, err := x509.MarshalECPrivateKey(ec)
	parameters := []byte("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n")
	f(ca.IssueFor(ec, unchanged, "a.test"), "ECDSA P-256", pkcs8(ec), append(parameters, pemOf(t, "EC PRIVATE KEY", sec1, err)...))
	f(ca.IssueFor(rsa2048, unchanged, "a.test"), "RSA 2048", pkcs8(rsa2048), pemOf(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsa2048), nil))
	f(ca.IssueFor(ed, unchanged, "a.test"), "Ed25519", pkcs8(ed))
}

// What is wrong is said with the file, and never with what is in a key.
func TestLoadMistakes(t *testing.T) {
	ca := tlstest.NewCA(t)
	good := files(t, ca.Issue("a.test", "b.test"))
	other := files(t, ca.Issue("other.test"))
	f := func(at Files, ofKey bool, want string) {
		t.Helper()
		c, faults := Load(at)
		assert.Nil(t, c)
		require.NotEmpty(t, faults)
		assert.Equal(t, ofKey, faults[0].OfKey)
		assert.Contains(t, faults[0].Text, want)
		file := at.Cert
		if ofKey {
			file = at.key()
		}
		assert.Contains(t, faults[0].Text, file)
	}
	f(Files{"/nowhere.pem", good.Key}, false, "no such file")
	f(Files{good.Cert, "/nowhere.key"}, true, "no such file")
	f(Files{good.Key, good.Key}, false, "there is no certificate in it")
	f(Files{good.Cert, good.Cert}, true, "there is no private key in it")
	f(Files{Cert: good.Cert}, true, "there is no private key in it")
	f(Files{good.Cert, other.Key}, true, "isn't that of the certificate in "+good.Cert+", which is for a.test, b.test and good from "+day(time.Now().Add(-24*time.Hour)))
	f(Files{write(t, pemOf(t, "CERTIFICATE", []byte("no DER"), nil)), good.Key}, false, "certificate 1 in it: x509")
	f(Files{good.Cert, write(t, pemOf(t, "PRIVATE KEY", []byte("no DER"), nil))}, true, "can't be read")
	f(Files{good.Cert, write(t, pemOf(t, "EC PRIVATE KEY", []byte("no DER"), nil))}, true, "can't be read")
	f(Files{good.Cert, write(t, pemOf(t, "ENCRYPTED PRIVATE KEY", []byte("DER"), nil))}, true, "its key is encrypted")
	f(Files{good.Cert, write(t, []byte("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"))}, true, "its key is encrypted")
	f(files(t, ca.IssueFor(rsaKey(t, 1024), unchanged, "a.test")), false, "its RSA key has 1024 bits; want 2048 or more")
	f(files(t, ca.IssueFor(ecKey(t, elliptic.P224()), unchanged, "a.test")), false, "on the curve P-224; want one of P-256, P-384, P-521")
}

// Everything that is wrong with the files is told at once, and a file that is both only once.
func TestLoadTellsAll(t *testing.T) {
	ca := tlstest.NewCA(t)
	expired, other := files(t, ca.IssueExpired("a.test")), files(t, ca.Issue("b.test"))
	f := func(at Files, want ...string) {
		t.Helper()
		_, faults := Load(at)
		require.Len(t, faults, len(want), "%q", faults)
		for i := range want {
			assert.Contains(t, faults[i].Text, want[i])
		}
	}
	f(Files{expired.Cert, other.Key}, "its key isn't that of the certificate", "a.test expired at "+day(time.Now()), "the chain ends before")
	f(Files{expired.Cert, expired.Cert}, "there is no private key in it", "expired at", "the chain ends before")
	f(Files{"/nowhere.pem", "/nowhere.key"}, "/nowhere.pem: no such file", "/nowhere.key: no such file")
	f(Files{Cert: "/nowhere.pem"}, "/nowhere.pem: no such file")
	empty := write(t, nil)
	f(Files{empty, empty}, "there is no certificate in it", "there is no private key in it")
	small := files(t, ca.IssueFor(rsaKey(t, 1024), unchanged, "a.test"))
	f(Files{small.Cert, other.Key}, "its RSA key has 1024 bits", "its key isn't that of the certificate", "the chain ends before")
}

// What clients may refuse is told, with its date.
func TestFaults(t *testing.T) {
	now := time.Now()
	root := tlstest.NewCA(t)
	ca := root.Below()
	f := func(cert tls.Certificate, want ...string) {
		t.Helper()
		c := loaded(t, cert)
		faults := c.Faults(now)
		require.Len(t, faults, len(want), "%q", faults)
		for i := range want {
			assert.Contains(t, faults[i].Text, want[i])
			assert.Contains(t, faults[i].Text, c.Files.Cert+": ")
			assert.False(t, faults[i].OfKey)
		}
	}
	const missing = `the chain ends before an authority that this system knows; want the certificate of "CN=%s" behind the others%s, also`
	year := 365 * 24 * time.Hour
	from := func(begin, end time.Duration) tls.Certificate {
		cert := root.IssueFor(ecKey(t, elliptic.P256()), func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = now.Add(begin), now.Add(end)
		}, "a.test")
		cert.Certificate = append(cert.Certificate, root.Certificate().Raw)
		return cert
	}
	f(from(-year, 20*24*time.Hour))
	f(from(-year, 14*24*time.Hour-time.Second), "for a.test expires at "+instant(now.Add(14*24*time.Hour-time.Second))+", in 13 days")
	f(from(-24*time.Hour, 13*24*time.Hour)) // It never had more.
	f(from(-year, -time.Hour), "the certificate for a.test expired at "+instant(now.Add(-time.Hour)))
	f(from(time.Hour, year), "the certificate for a.test is good only from "+instant(now.Add(time.Hour)))

	f(ca.Issue("a.test")) // All but a private root, which clients have.
	alone := ca.Issue("a.test")
	alone.Certificate = alone.Certificate[:1]
	f(alone, fmt.Sprintf(missing, "intermediate", ""))
	at := func(c *x509.Certificate) { c.IssuingCertificateURL = []string{"http://ca.test/ca.crt"} }
	f(root.IssueFor(ecKey(t, elliptic.P256()), at, "a.test"), fmt.Sprintf(missing, "authority", ", which is at http://ca.test/ca.crt"))
	key := ecKey(t, elliptic.P256())
	middle := root.IssueFor(key, func(c *x509.Certificate) {
		at(c)
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage, c.ExtKeyUsage = true, true, x509.KeyUsageCertSign, nil
	}, "middle")
	public := root.Issue("a.test")
	der, err := x509.CreateCertificate(rand.Reader, public.Leaf, middle.Leaf, public.Leaf.PublicKey, key)
	require.NoError(t, err)
	public.Certificate = [][]byte{der, middle.Certificate[0]}
	f(public, fmt.Sprintf(missing, "authority", ", which is at http://ca.test/ca.crt"))
	wrong := ca.Issue("a.test")
	wrong.Certificate = [][]byte{wrong.Certificate[0], root.Certificate().Raw, wrong.Certificate[1]}
	f(wrong, "the certificate for a.test isn't signed by the one behind it", "the chain's certificate 2, CN=authority, isn't signed by the one behind it")
	whole := ca.Issue("a.test")
	whole.Certificate = append(whole.Certificate, root.Certificate().Raw)
	f(whole)

	trusted := func(change func(*x509.Certificate)) tls.Certificate {
		cert := root.IssueFor(ecKey(t, elliptic.P256()), change, "a.test")
		cert.Certificate = append(cert.Certificate, root.Certificate().Raw)
		return cert
	}
	f(trusted(func(c *x509.Certificate) { c.DNSNames = nil }), "is for no host, and clients don't look at its subject, CN=a.test")
	f(trusted(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), "isn't meant for servers")
	f(trusted(func(c *x509.Certificate) { c.ExtKeyUsage = nil }))
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	f(ca.IssueFor(ed, unchanged, "a.test"), "Ed25519 key, which browsers don't know")

	c := loaded(t, from(-year, year))
	require.NoError(t, os.Chmod(c.Files.Key, 0o644))
	assert.Equal(t, Faults{{true, c.Files.Key + ": every user of this machine can read the private key in it; want chmod o-r"}}, c.Faults(now))
}

func TestDaysLeft(t *testing.T) {
	now := time.Now()
	f := func(left time.Duration, want int) {
		t.Helper()
		assert.Equal(t, want, daysLeft(now.Add(left), now))
	}
	f(48*time.Hour, 2)
	f(48*time.Hour-1, 1)
	f(0, 0)
	f(-1, -1)
	f(-24*time.Hour, -1)
	f(-25*time.Hour, -2)
}

// Whatever is in the files, reading them ends with a key and a certificate, or with an error.
func FuzzParse(f *testing.F) {
	cert := files(f, tlstest.NewCA(f).Issue("a.test"))
	for _, file := range []string{cert.Cert, cert.Key} {
		text, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(text)
	}
	f.Add([]byte("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n"))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		chain, err := ParseCertificates(text)
		require.Equal(t, err == nil, len(chain) > 0)
		for _, c := range chain {
			_ = describe(c)
			_ = isSelfSigned(c)
		}
		key, err := parseKey(text)
		require.Equal(t, err == nil, key != nil)
		if err == nil && checkKeyKind(key.Public()) == nil {
			require.NotEmpty(t, keyKind(key.Public()))
		}
	})
}

// A damaged block is refused, wherever it stands, as what it was for would be missed later.
func TestDamagedBlocks(t *testing.T) {
	good := files(t, tlstest.NewCA(t).Below().Issue("a.test"))
	cert, err := os.ReadFile(good.Cert)
	require.NoError(t, err)
	key, err := os.ReadFile(good.Key)
	require.NoError(t, err)
	damaged := strings.Replace(string(cert), "\nM", "\n!M", 1)
	for text, line := range map[string]int{
		damaged + string(cert):                   1,
		string(cert) + damaged:                   1 + strings.Count(string(cert), "\n"),
		string(cert) + string(cert)[:100]:        1 + strings.Count(string(cert), "\n"),
		string(cert)[:100] + "\n" + string(cert): 1,
		"\ufeff" + string(cert):                  1,
		"a comment\n " + string(cert):            2,
	} {
		want := fmt.Sprintf("the PEM block that begins on line %d can't be read", line)
		file := write(t, []byte(text))
		_, err := LoadAuthorities(file)
		require.ErrorContains(t, err, file+": "+want, text)
		_, faults := Load(Files{file, good.Key})
		require.NotEmpty(t, faults, text)
		assert.Contains(t, faults[0].Text, file+": "+want)
	}
	file := write(t, append([]byte("\ufeff"), key...))
	_, faults := Load(Files{good.Cert, file})
	require.NotEmpty(t, faults)
	assert.Contains(t, faults[0].Text, file+": the PEM block that begins on line 1 can't be read")
	_, faults = Load(Files{write(t, append([]byte("a comment\r\n-----\r\n"), cert...)), good.Key})
	assert.Empty(t, faults)
}
