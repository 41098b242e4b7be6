package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// backendStatus is a backend as GET /backends shows it.
type backendStatus struct {
	URL      string `json:"url"`
	Healthy  bool   `json:"healthy"`
	InFlight int64  `json:"in_flight"`
	Requests int64  `json:"requests"`

	Ejected   bool  `json:"ejected"`
	Ejections int64 `json:"ejections"`
}

func (p *proxied) backend(b *backend) backendStatus {
	p.t.Helper()
	return p.backendAt(b.url())
}

// backendAt is the backend with this URL.
func (p *proxied) backendAt(url string) backendStatus {
	p.t.Helper()
	a := p.call("GET", "/backends", "")
	require.Equal(p.t, 200, a.status, a.body)
	var all []backendStatus
	require.NoError(p.t, json.Unmarshal([]byte(a.body), &all), a.body)
	for _, s := range all {
		if s.URL == url {
			return s
		}
	}
	p.t.Fatalf("no backend %s in %s", url, a.body)
	return backendStatus{}
}

func (p *proxied) healthy(b *backend) bool   { return p.backend(b).Healthy }
func (p *proxied) inFlight(b *backend) int64 { return p.backend(b).InFlight }

// configFile writes a configuration whose first %s stands for the backends.
func configFile(t *testing.T, text string, backends []*backend) string {
	t.Helper()
	var urls []string
	for _, b := range backends {
		urls = append(urls, fmt.Sprintf("%q", b.url()))
	}
	return writeFile(t, fmt.Sprintf(text, strings.Join(urls, ", ")))
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "equalizer.toml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}
