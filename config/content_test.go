package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The files that a configuration names are known by their keys.
func TestNamedFiles(t *testing.T) {
	c := Config{
		Admin:     Admin{Cert: "admin.pem", Key: "admin.key", TokenFile: "token"},
		Pools:     map[string]Pool{"a b": {TLS: TLS{CA: "ca.pem", Cert: "own.pem", Key: "own.key"}}},
		Routes:    []Route{{}, {ErrorPages: map[string]string{"503": "503.html"}}},
		Listeners: []Listener{{ClientCA: "clients.pem"}},
		TLS: ServerTLS{
			Certificates: []Certificate{{Cert: "both.pem"}, {Cert: "site.pem", Key: "site.key"}},
			ACME:         ACME{CARoots: "roots.pem"},
			Hosts:        []TLSHost{{ClientCA: "host.pem"}},
		},
	}
	certificates := map[string]string{
		"admin.cert": "admin.pem", "admin.key": "admin.key",
		`pools."a b".tls.ca`: "ca.pem", `pools."a b".tls.cert`: "own.pem", `pools."a b".tls.key`: "own.key",
		"listeners[0].client_ca": "clients.pem", "tls.hosts[0].client_ca": "host.pem", "tls.acme.ca_roots": "roots.pem",
		"tls.certificates[0].cert": "both.pem", "tls.certificates[1].cert": "site.pem", "tls.certificates[1].key": "site.key",
	}
	assert.Equal(t, certificates, c.filesOf(certificateFile))
	assert.Equal(t, map[string]string{"routes[1].error_pages.503": "503.html"}, c.filesOf(pageFile))
	assert.Len(t, c.NamedFiles(), len(certificates)+1)
	assert.Len(t, Loaded{Config: c}.CertificateFiles(), len(certificates))
	assert.Empty(t, Default().NamedFiles())
}

// Reread takes what is in the named files now, and leaves the configuration as it is.
func TestReread(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("SITE", filepath.Join(dir, "site.pem"))
	main := filepath.Join(dir, "main.toml")
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	write("site.pem", "first")
	text := "[pools.a]\nbackends = [\"http://127.0.0.1:9\"]\n[[listeners]]\nlisten = \":1\"\ntls = true\n[[tls.certificates]]\ncert = \"${SITE}\"\n"
	write("main.toml", text)
	var found []Problem
	finds := func(Config) []Problem { return found }
	o := Options{Getenv: os.Getenv, Check: func(Config) []Problem { return nil }, Warn: finds}
	first, err := Load(main, o)
	require.NoError(t, err)
	write("site.pem", "second")
	write("main.toml", text+"[store]\n")
	found = []Problem{{Key: "tls.certificates[0].cert", Text: os.Getenv("SITE") + ": expires soon"}}
	want := []Problem{{main, 7, "tls.certificates[0].cert", "${SITE}: expires soon"}}
	second, err := first.Reread(o)
	require.NoError(t, err)
	assert.Equal(t, want, second.Warnings)
	assert.Equal(t, []Difference{{`tls.certificates["${SITE}"].cert`, Content, `"${SITE}"`, `"${SITE}"`}}, Diff(first, second))
	assert.Equal(t, first.Config, second.Config)

	o.Check = finds
	_, err = second.Reread(o)
	assert.Equal(t, Problems(want), err)
}
