package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer/tlstest"
)

// The flags and files that the README shows under "Running it" are valid, and without warnings.
func TestExamplesOfTheReadmeCheck(t *testing.T) {
	page := readme(t)
	_, page, ok := strings.Cut(page, "\n## Running it\n")
	require.True(t, ok)
	page, _, _ = strings.Cut(page, "\n## ")

	command := regexp.MustCompile(`(?m)^equalizer (--backend(?:\\\n|.)*)$`).FindStringSubmatch(page)
	require.NotNil(t, command)
	checksClean(t, strings.Fields(strings.ReplaceAll(command[1], "\\\n", " "))...)

	files := map[string]string{} // what each shows, and its text
	for _, file := range regexp.MustCompile("(?s)```toml\n(.*?)```").FindAllStringSubmatch(page, -1) {
		shows := exampleOf(t, file[1])
		require.NotContains(t, files, shows)
		files[shows] = file[1]
	}
	require.Len(t, files, len(readmeShows))
	pool := poolOf("default", "http://127.0.0.1:3000")
	checksClean(t, "-c", writeFile(t, files["capacity = "]))
	checksClean(t, "-c", writeFile(t, files["[tls.acme]"]))
	checksClean(t, "-c", writeFile(t, files["h2c"]+pool))
	checksClean(t, "-c", writeFile(t, strings.ReplaceAll(files["combined"], "/var/log/equalizer", t.TempDir())+pool))

	ofBackends := filepath.Join(t.TempDir(), "backends.txt")
	require.NoError(t, os.WriteFile(ofBackends, []byte("http://10.0.0.1:8080 weight=2\n"), 0o600))
	checksClean(t, "-c", writeFile(t, strings.ReplaceAll(files["backends_file"], "backends.txt", ofBackends)))

	// A check opens certificates, so those of the example must exist.
	checked, _, _ := strings.Cut(files["[pools.default.tls]"], "[pools.default.tls]")
	checksClean(t, "-c", writeFile(t, checked))

	secrets := t.TempDir()
	several := writeFile(t, strings.ReplaceAll(files["include"], "/run/secrets", secrets))
	sites := filepath.Join(filepath.Dir(several), "sites")
	require.NoError(t, os.Mkdir(sites, 0o700))
	for file, text := range map[string]string{
		secrets + "/equalizer-token": "0123456789abcdef\n", secrets + "/db-password": "hunter2\n",
		sites + "/a.toml": "[pools.a]\nbackends = [\"http://a\"]\n[limits.a]\n",
	} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	checksClean(t, "-c", several)

	ca := tlstest.NewCA(t)
	cert := ca.IssueFor(newKey(t), func(c *x509.Certificate) { c.NotAfter = time.Now().Add(60 * 24 * time.Hour) }, "example.com")
	cert.Certificate = append(cert.Certificate, ca.Certificate().Raw)
	site := newPair(t, cert)
	checksClean(t, "-c", writeFile(t, strings.NewReplacer(
		"/etc/equalizer/site.pem", site.cert, "/etc/equalizer/site.key", site.key).Replace(files["hsts"])))
}

// readmeShows tell the README's examples apart.
var readmeShows = []string{
	"capacity = ", "backends_file", "[pools.default.tls]", "include", "hsts", "[tls.acme]", "h2c", "combined",
}

// exampleOf is which of readmeShows an example shows.
func exampleOf(t *testing.T, file string) string {
	t.Helper()
	i := slices.IndexFunc(readmeShows, func(s string) bool { return strings.Contains(file, s) })
	require.GreaterOrEqual(t, i, 0, file)
	return readmeShows[i]
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

// The admin API's section under "From other machines" is a configuration without warnings, with the
// files that it says how to make.
func TestAdminOfTheReadmeChecks(t *testing.T) {
	text := section(t, "### From other machines")
	file := regexp.MustCompile("(?s)```toml\n(.*?)```").FindStringSubmatch(text)
	require.NotNil(t, file)
	cert, key := tlstest.Files(t, selfSigned(t, "admin.internal"))
	made := map[string]string{"admin.pem": cert, "admin.key": key}
	for i, name := range []string{"admin.token", "read.token"} {
		made[name] = filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(made[name], []byte(strings.Repeat(strconv.Itoa(i), 64)+"\n"), 0o600))
	}
	document := regexp.MustCompile(`"[a-z.]+"`).ReplaceAllStringFunc(file[1], func(name string) string {
		require.Contains(t, made, strings.Trim(name, `"`))
		require.GreaterOrEqual(t, strings.Count(text, strings.Trim(name, `"`)), 2, "it says how to make %s", name)
		return strconv.Quote(made[strings.Trim(name, `"`)])
	})
	checksClean(t, "-c", writeFile(t, document+poolOf("web", "http://127.0.0.1:1")))
}

func checksClean(t *testing.T, args ...string) {
	t.Helper()
	var out bytes.Buffer
	getenv := func(name string) string { return map[string]string{"DB_HOST": "localhost"}[name] }
	err := runCheck(args, terminal{stdout: &out, getenv: getenv})
	assert.NoError(t, err, "%s", out.String())
	assert.Equal(t, "the configuration is good\n", out.String())
}
