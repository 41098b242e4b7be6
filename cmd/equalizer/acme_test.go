package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/config"
	"gopher-equalizer/store/blob"
)

// issuing is a configuration with certificates from an authority that is never there.
func issuing(folder string, domains ...string) string {
	return fmt.Sprintf("[[listeners]]\nlisten = \"127.0.0.1:0\"\ntls = true\n[admin]\nlisten = \"127.0.0.1:0\"\n"+
		"[tls.acme]\nca = \"https://127.0.0.1:1/dir\"\nagree_to_terms = true\nself_signed = true\nfolder = %q\ndomains = [%s]\n", folder, quoted(domains))
}

// certificate is one in GET /certificates.
type certificate struct {
	Names    []string
	ACME     bool
	Warnings []string
}

func (r reloadable) certificates() (all []certificate) {
	r.t.Helper()
	require.NoError(r.t, json.Unmarshal([]byte(r.call("GET", "/certificates", "").body), &all))
	return all
}

// selfSigned returns the name in the certificate that a client gets.
func (r reloadable) selfSigned(name string) (string, error) {
	conn, err := tls.Dial("tcp", strings.TrimPrefix(r.proxy, "http://"), &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].DNSNames[0], nil
}

// Domains come and go by reloads. The process is ready, and stops, without any certificate.
func TestIssuedCertificates(t *testing.T) {
	b := lasting(t)
	pool := poolOf("web", b.URL)
	folder := filepath.Join(t.TempDir(), "acme")
	r := launchWith(t, issuing(folder, "one.test")+pool)
	name, err := r.selfSigned("one.test")
	require.NoError(t, err)
	assert.Equal(t, "one.test", name)
	r.await("the reason", func() bool {
		all := r.certificates()
		return len(all) == 1 && len(all[0].Warnings) == 1 && strings.Contains(all[0].Warnings[0], "connection refused")
	})
	assert.Equal(t, map[string]string{"tls.acme.domains": "changed"}, r.reloads(issuing(folder, "two.test", "one.test")+pool))
	for _, domain := range []string{"one.test", "two.test"} {
		name, err = r.selfSigned(domain)
		require.NoError(t, err)
		assert.Equal(t, domain, name)
	}
	assert.Equal(t, []string{"two.test"}, r.certificates()[0].Names)
	assert.True(t, r.certificates()[0].ACME)
	assert.Contains(t, r.refuses(issuing(folder+"2", "one.test")+pool), "a store that is open can't change: restart, or put this back: tls.acme.folder")

	r.reloads("[[listeners]]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n" + pool)
	assert.Empty(t, r.certificates())
	_, err = r.selfSigned("one.test")
	require.Error(t, err)
	r.reloads(issuing(folder+"2", "one.test") + pool)
	_, err = r.selfSigned("one.test")
	require.NoError(t, err)
	r.stop()
}

// What the issuing of certificates needs is checked with the configuration.
func TestIssuingThatCannotBe(t *testing.T) {
	text := issuing(t.TempDir(), "one.test") + poolOf("a", "http://127.0.0.1:1")
	text = strings.Replace(text, "[tls.acme]\n", "[tls.acme]\nca_roots = \"/nowhere.pem\"\ndns_hook = [\"/nowhere\"]\n", 1)
	s := inShell(t, nil, "check", writeFile(t, text))
	assert.Equal(t, 1, s.code)
	assert.Contains(t, s.stdout.String(), ":7: tls.acme.ca_roots: open /nowhere.pem: no such file or directory")
	assert.Contains(t, s.stdout.String(), ":8: tls.acme.dns_hook: ")
}

// A file's blobs are there while nobody has it open, also before it is there.
func TestBlobsOfAFileThatIsClosed(t *testing.T) {
	c := config.Default().Store
	c.Timeout, c.Path = time.Minute, filepath.Join(t.TempDir(), "a.db")
	b, ctx := newLazyBlobs(c, nil, zerolog.Nop()), context.Background()
	infos, err := b.List(ctx, "")
	require.NoError(t, err)
	assert.Empty(t, infos)
	require.NoError(t, b.Delete(ctx, "a"))
	require.NoError(t, b.Unlock(ctx, "a", "me"))
	assert.NoFileExists(t, c.Path)

	require.NoError(t, b.Lock(ctx, "a", "me", time.Minute))
	require.ErrorIs(t, b.Lock(ctx, "a", "you", time.Minute), blob.ErrLocked)
	require.NoError(t, b.Unlock(ctx, "a", "me"))
	require.NoError(t, b.Lock(ctx, "a", "you", time.Minute))
	_, err = b.Put(ctx, "a", []byte("value"), blob.None)
	require.NoError(t, err)
	infos, err = b.List(ctx, "")
	require.NoError(t, err)
	require.Len(t, infos, 1)
	require.NoError(t, b.Delete(ctx, "a"))
	_, _, err = b.Get(ctx, "a")
	require.ErrorIs(t, err, blob.ErrNotFound)
}

// A file with private keys in it is for its user only.
func TestOpenStoreIsWarnedOf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	text := strings.Replace(issuing("", "one.test"), "folder = \"\"\n", "", 1) + poolOf("a", "http://127.0.0.1:1") + fmt.Sprintf("[store]\npath = %q\n", path)
	warned := func() string {
		s := inShell(t, nil, "check", writeFile(t, text))
		require.Equal(t, 0, s.code, s.stdout.String())
		return s.stdout.String() + s.stderr.String()
	}
	assert.NotContains(t, warned(), "private keys")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	assert.NotContains(t, warned(), "private keys")
	require.NoError(t, os.Chmod(path, 0o640))
	assert.Contains(t, warned(), "store.path: others on this machine can open the file, and private keys are in it; want chmod go= for it")

	folder := t.TempDir()
	text = issuing("", "one.test") + poolOf("a", "http://127.0.0.1:1")
	text = strings.Replace(text, "folder = \"\"", fmt.Sprintf("folder = %q", folder), 1)
	require.NoError(t, os.Chmod(folder, 0o755))
	assert.NotContains(t, warned(), "tls.acme.folder")
	for _, mode := range []os.FileMode{0o720, 0o702} {
		require.NoError(t, os.Chmod(folder, mode))
		assert.Contains(t, warned(), "tls.acme.folder: others on this machine can replace the certificates and private keys in the folder; want chmod go-w for it")
	}
}
