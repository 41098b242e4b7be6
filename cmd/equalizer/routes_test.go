package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// site is a configuration with two hosts, two pools and a limit. The %s are the backends of shop,
// of api and of spare, and an error page.
const site = `
[server]
listen = "127.0.0.1:0"
ratelimit_headers = true

[admin]
listen = "127.0.0.1:0"

[pools.shop]
backends = [%q]
health = { interval = "500ms", timeout = "500ms" }

[pools.api]
backends = [%q]
host = "inside.example"

[pools.spare]
backends = [%q]

[limits.default]
key = "header:X-Api-Key"
secret = false
capacity = 2
refill = "1/1h"
exempt_preflights = true
[[limits.default.exempt]]
methods = ["GET"]
path_prefixes = ["/v1/health"]

[[routes]]
name = "shop"
host = "shop.example"
pool = "shop"
fallback_pool = "spare"

[[routes]]
name = "api"
host = "api.example"
path_prefix = "/v1"
methods = ["GET", "POST", "OPTIONS"]
pool = "api"
limits = ["default"]
expose_to = ["https://app.example"]
error_pages = { 429 = %q }
strip_prefix = "/v1"
request_headers = { set = { Authorization = "Bearer hush" }, remove = ["Cookie"] }
response_headers = { set = { X-Frame-Options = "DENY" } }

[[routes]]
host = "www.shop.example"
redirect = { to = "https://shop.example$path$query", status = 308 }

[[routes]]
path_prefix = "/.well-known/up"
respond = { body = "up" }

[store]
driver = "memory"
`

// launchSite starts the binary with three backends: of shop, of api and of spare.
func launchSite(t *testing.T) (p *proxied, backends []*backend) {
	t.Helper()
	backends, _ = startBackends(t, 3)
	dir := t.TempDir()
	page, file := filepath.Join(dir, "slowly.html"), filepath.Join(dir, "site.toml")
	require.NoError(t, os.WriteFile(page, []byte("<p>slowly"), 0o600))
	text := fmt.Sprintf(site, backends[0].url(), backends[1].url(), backends[2].url(), page)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return launch(t, "-c", file), backends
}

// ask sends a request for a host, and follows no redirect.
func (p *proxied) ask(method, host, target string, header ...string) answer {
	p.t.Helper()
	req, err := http.NewRequest(method, p.proxy+target, nil)
	require.NoError(p.t, err)
	req.Host = host
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	require.NoError(p.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(p.t, err)
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// Routes choose the pool by host and path; what has none is 404 or 405, and a route may respond
// itself.
func TestRoutesByHost(t *testing.T) {
	p, backends := launchSite(t)
	defer p.stop()
	for i, host := range []string{"shop.example", "api.example"} {
		a := p.ask("GET", host, "/v1/health")
		assert.Equal(t, 200, a.status)
		assert.Equal(t, backends[i].address, a.header.Get("Backend"), host)
	}
	assert.Equal(t, 404, p.ask("GET", "api.example", "/v2").status)
	assert.Equal(t, 404, p.ask("GET", "other.example", "/").status)
	a := p.ask("DELETE", "api.example", "/v1/x")
	assert.Equal(t, 405, a.status)
	assert.Equal(t, "GET, HEAD, OPTIONS, POST", a.header.Get("Allow"))
	a = p.ask("GET", "www.shop.example", "/a//../b?c=d")
	assert.Equal(t, 308, a.status)
	assert.Equal(t, "https://shop.example/a/b?c=d", a.header.Get("Location"))
	assert.Equal(t, "up", p.ask("GET", "anything", "/.well-known/up").body)

	a = p.ask("GET", "api.example", "/v1/health/x?y", "Cookie", "a=b")
	assert.Equal(t, "DENY", a.header.Get("X-Frame-Options"))
	assert.Contains(t, a.body, "Authorization: Bearer hush")
	assert.NotContains(t, a.body, "Cookie")
}

// A limit counts what isn't exempt, under every spelling, and its 429 can be read by the page that
// caused it.
func TestRoutesLimit(t *testing.T) {
	p, _ := launchSite(t)
	defer p.stop()
	key := []string{"X-Api-Key", "one", "Origin", "https://app.example"}
	for range 5 {
		a := p.ask("GET", "api.example", "/v1/health", key...)
		assert.Equal(t, 200, a.status)
		assert.Empty(t, a.header.Get("Ratelimit"))
	}
	for _, target := range []string{"/v1/health/..%2Flogin", "/v1/login/..%2fhealth", "/v1/health//../../v1/login"} {
		assert.Equal(t, 400, p.ask("GET", "api.example", target, key...).status, target)
	}
	for left := 2; left > 0; left-- {
		a := p.ask("POST", "api.example", "/v1/health", "X-Api-Key", "two", "Origin", "https://app.example")
		assert.Equal(t, 200, a.status)
		assert.Equal(t, fmt.Sprintf(`"default";r=%d`, left-1), strings.TrimSuffix(a.header.Get("Ratelimit"), ";t=3600"))
	}
	a := p.ask("POST", "api.example", "/v1/health", "X-Api-Key", "two", "Origin", "https://app.example")
	assert.Equal(t, 429, a.status)
	assert.Equal(t, "<p>slowly", a.body)
	assert.Equal(t, "https://app.example", a.header.Get("Access-Control-Allow-Origin"))
	assert.NotEmpty(t, a.header.Get("Retry-After"))
	for range 5 {
		a := p.ask("OPTIONS", "api.example", "/v1/x", "Origin", "https://app.example", "Access-Control-Request-Method", "PUT")
		assert.Equal(t, 200, a.status)
	}
}

// While nobody of a pool is healthy, the fallback serves; the admin API lists all pools and routes.
func TestRoutesFallBack(t *testing.T) {
	t.Parallel()
	p, backends := launchSite(t)
	defer p.stop()
	backends[0].kill()
	p.await("the fallback", func() bool {
		return p.ask("GET", "shop.example", "/").header.Get("Backend") == backends[2].address
	})
	var listed []struct{ Pool, URL string }
	require.NoError(t, json.Unmarshal([]byte(p.call("GET", "/backends", "").body), &listed))
	require.Len(t, listed, 3)
	assert.Equal(t, "api", listed[0].Pool)
	assert.Equal(t, backends[1].url(), listed[0].URL)

	a := p.call("GET", "/routes", "")
	assert.NotContains(t, a.body, "hush")
	var routes []struct {
		Name, Host   string
		PathPrefix   string `json:"path_prefix"`
		Pool         *string
		FallbackPool *string `json:"fallback_pool"`
		Limits       []string
		ErrorPages   []int `json:"error_pages"`
	}
	require.NoError(t, json.Unmarshal([]byte(a.body), &routes), a.body)
	require.Len(t, routes, 4)
	assert.Equal(t, "spare", *routes[0].FallbackPool)
	assert.Equal(t, []string{"default"}, routes[1].Limits)
	assert.Equal(t, []int{429}, routes[1].ErrorPages)
	assert.Equal(t, "www.shop.example/", routes[2].Name)
	assert.Nil(t, routes[2].Pool)
	line := p.logs.await(t, "request")
	assert.Equal(t, "shop", line["route"])
}
