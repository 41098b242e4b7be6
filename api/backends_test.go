package api

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer"
)

// fakeBackends notes what was asked, and changes the backends of all.
type fakeBackends struct {
	mu    sync.Mutex
	all   []balancer.BackendStatus
	calls []string
	err   error
}

func (f *fakeBackends) Override(_ context.Context, id string, o balancer.Override) (balancer.BackendStatus, error) {
	return f.change(fmt.Sprintf("Override %s %q %d", id, o.State, o.Weight), id, o)
}

func (f *fakeBackends) ClearOverride(_ context.Context, id string) (balancer.BackendStatus, error) {
	return f.change("ClearOverride "+id, id, balancer.Override{})
}

func (f *fakeBackends) change(call, id string, o balancer.Override) (balancer.BackendStatus, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call)
	for i, b := range f.all {
		if b.ID() == id {
			f.all[i].Override, f.all[i].State = o, o.State
			return f.all[i], f.err
		}
	}
	return balancer.BackendStatus{}, f.err
}

func (f *fakeBackends) status() []balancer.BackendStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]balancer.BackendStatus{}, f.all...)
}

func (f *fakeBackends) takeCalls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	return calls
}

// startBackends serves two backends by TCP and one on a unix socket.
func startBackends(t *testing.T) (*running, *fakeBackends) {
	t.Helper()
	measured := balancer.Measured{Retries: 2, Latency: observed(time.Second)}
	measured.Faults[balancer.Unreachable], measured.Faults[balancer.Late], measured.Responses[2] = 1, 2, 7
	f := &fakeBackends{all: []balancer.BackendStatus{
		{
			Pool: "web", URL: "http://localhost:8081", Weight: 2, EffectiveWeight: 0.2, State: balancer.Ready, Healthy: true, LastProbe: "200 in 0.8ms",
			Configured: balancer.Override{State: balancer.Ready, Weight: 2}, Stored: true,
			LastProbeAt: time.Date(2026, 11, 23, 7, 21, 2, 0, time.UTC), InFlight: 1, MaxInFlight: 6, Requests: 10, Failures: 3, Measured: measured,
			Advice: balancer.Advice{Less: 50}, Ejected: true, EjectedUntil: time.Date(2026, 11, 23, 7, 21, 12, 0, time.UTC), EjectedWhy: "5 requests in a row failed", Ejections: 2,
		},
		{
			Pool: "web", URL: "http://localhost:8082", Weight: 1, Backup: true, State: balancer.Maint,
			Configured: balancer.Override{State: balancer.Ready, Weight: 1}, Override: balancer.Override{State: balancer.Maint},
		},
		{Pool: "app", URL: "unix:///run/override", Weight: 1, State: balancer.Ready},
	}}
	return start(t, func(_ *Settings, s *Sources) {
		s.Backends, s.BackendWriter = f.status, f
		s.Probes = func(id string) []balancer.ProbeResult {
			if id != "web/http://localhost:8081" {
				return nil
			}
			return []balancer.ProbeResult{
				{At: time.Date(2026, 11, 23, 7, 21, 2, 0, time.UTC), Took: 800 * time.Microsecond, OK: true, Found: "200 in 0.8ms"},
				{At: time.Date(2026, 11, 23, 7, 20, 57, 0, time.UTC), Took: 2 * time.Second, Found: "no response after 2s"},
			}
		}
	}), f
}

const firstBackend = `{"id":"web/http://localhost:8081","pool":"web","url":"http://localhost:8081","weight":2,"state":"ready",` +
	`"backup":false,"effective_weight":0.2,"configured":{"state":"ready","weight":2},"override":null,"stored":true,"healthy":true,"last_probe":"200 in 0.8ms",` +
	`"last_probe_at":"2026-11-23T07:21:02.000Z","advice":"50%",` +
	`"ejected":true,"ejected_until":"2026-11-23T07:21:12.000Z","ejected_why":"5 requests in a row failed","ejections":2,"in_flight":1,"max_in_flight":6,"requests":10,"retries":2,"failures":3,"failures_by":{"unreachable":1,"broke":0,"late":2},"responses":{"1xx":0,"2xx":7,"3xx":0,"4xx":0,"5xx":0},"latency":{"p50":0.875,"p90":0.975,"p99":0.9975}}`

func TestBackends(t *testing.T) {
	r, f := startBackends(t)
	f.all = f.all[:2]
	assert.Equal(t, `[`+firstBackend+`,{"id":"web/http://localhost:8082","pool":"web","url":"http://localhost:8082","weight":1,"state":"maint",`+
		`"backup":true,"effective_weight":0,"configured":{"state":"ready","weight":1},"override":{"state":"maint"},"stored":false,"healthy":false,"last_probe":"",`+
		`"last_probe_at":null,"advice":"","ejected":false,"ejected_until":null,"ejected_why":"","ejections":0,"in_flight":0,"max_in_flight":0,"requests":0,"retries":0,"failures":0,"failures_by":{"unreachable":0,"broke":0,"late":0},"responses":{"1xx":0,"2xx":0,"3xx":0,"4xx":0,"5xx":0},"latency":{"p50":0,"p90":0,"p99":0}}]`+"\n",
		r.do(t, request{method: "GET", target: "/backends"}).body)
	f.all = nil
	assert.Equal(t, "[]\n", r.do(t, request{method: "GET", target: "/backends"}).body)
}

// A backend's id may be in the path as it is, or percent-encoded.
func TestBackendsInPaths(t *testing.T) {
	r, f := startBackends(t)
	for _, path := range []string{
		"web/http://localhost:8081", "web%2Fhttp:%2F%2Flocalhost:8081", "web%2Fhttp%3A%2F%2Flocalhost%3A8081", "web/http%3a//localhost:8081", "%77eb/http://localhost:8081",
	} {
		got := r.do(t, request{method: "GET", target: "/backends/" + path})
		assert.Equal(t, 200, got.status, path)
		assert.Equal(t, strings.TrimSuffix(firstBackend, "}")+`,"probes":[`+
			`{"at":"2026-11-23T07:21:02.000Z","duration_seconds":0.0008,"ok":true,"found":"200 in 0.8ms"},`+
			`{"at":"2026-11-23T07:20:57.000Z","duration_seconds":2,"ok":false,"found":"no response after 2s"}]}`+"\n", got.body, path)
		assert.Equal(t, 200, r.do(t, request{method: "PATCH", target: "/backends/" + path, body: `{"state":"drain"}`}).status)
		assert.Equal(t, 200, r.do(t, request{method: "DELETE", target: "/backends/" + path + "/override"}).status)
		assert.Equal(t, []string{`Override web/http://localhost:8081 "drain" 0`, "ClearOverride web/http://localhost:8081"}, f.takeCalls())
		f.all[0].State = balancer.Ready
	}
	// A socket may be named override.
	assert.Equal(t, 200, r.do(t, request{method: "PATCH", target: "/backends/app/unix:///run/override", body: `{"weight":9}`}).status)
	assert.Equal(t, 200, r.do(t, request{method: "DELETE", target: "/backends/app/unix:///run/override/override"}).status)
	assert.Equal(t, []string{`Override app/unix:///run/override "" 9`, "ClearOverride app/unix:///run/override"}, f.takeCalls())

	assert.Equal(t, "/backends/web%2Fhttp:%2F%2Flocalhost:8081", BackendPath("web/http://localhost:8081"))
}

// A call may name an address of a URL, or the URL. What is wanted is the URL's.
func TestAddressesInPaths(t *testing.T) {
	r, f := startBackends(t)
	f.all = []balancer.BackendStatus{
		{Pool: "web", URL: "http://app", Address: "10.0.0.1", Weight: 1, Healthy: true, Requests: 3, LookupError: "server misbehaving"},
		{Pool: "web", URL: "http://app", Address: "10.0.0.2", Weight: 1, Requests: 4},
	}
	get := func(path string) (b Backend) {
		t.Helper()
		got := r.do(t, request{method: "GET", target: "/backends/" + path})
		require.Equal(t, 200, got.status, got.body)
		require.NoError(t, json.Unmarshal([]byte(got.body), &b))
		return b
	}
	one := get("web/http://app@10.0.0.2")
	assert.Equal(t, "web/http://app@10.0.0.2 http://app 10.0.0.2", one.ID+" "+one.URL+" "+one.Address)
	assert.EqualValues(t, 4, one.Requests)
	both := get("web/http://app")
	assert.Equal(t, "web/http://app", both.ID)
	assert.Equal(t, "1 of 2 addresses are healthy", both.LastProbe)
	assert.Equal(t, "server misbehaving", both.LookupError)
	assert.EqualValues(t, 7, both.Requests)

	p := r.do(t, request{method: "PATCH", target: "/backends/web/http://app@10.0.0.2", body: `{"state":"drain"}`}).problem(t, 400, "bad-request")
	assert.Equal(t, "web/http://app@10.0.0.2 is one address of http://app, and what is wanted of that holds for all of them; want the backend without @10.0.0.2", p["detail"])
	assert.Empty(t, f.takeCalls())
	r.do(t, request{method: "PATCH", target: "/backends/web/http://app", body: `{"state":"drain"}`})
	assert.Equal(t, []string{`Override web/http://app "drain" 0`}, f.takeCalls())
}

func TestBackendsThatAreNotThere(t *testing.T) {
	r, f := startBackends(t)
	do := func(method, path, body, wantDetail string) {
		t.Helper()
		p := r.do(t, request{method: method, target: "/backends/" + path, body: body}).problem(t, 404, "no-backend")
		assert.Equal(t, wantDetail, p["detail"])
	}
	do("GET", "web/http://localhost:8083", "", "there is no backend web/http://localhost:8083; want POOL/URL, such as "+
		"web/http://localhost:8081, web/http://localhost:8082, app/unix:///run/override")
	do("PATCH", "localhost:8082", `{"weight":1}`, "there is no backend localhost:8082; want POOL/URL, such as "+
		"web/http://localhost:8082, web/http://localhost:8081, app/unix:///run/override")
	do("DELETE", "app/run/override", "", "there is no backend app/run; want POOL/URL, such as "+
		"app/unix:///run/override, web/http://localhost:8081, web/http://localhost:8082")
	do("GET", "web//http://localhost:8081", "", "there is no backend web//http://localhost:8081; want POOL/URL, such as "+
		"web/http://localhost:8081, web/http://localhost:8082, app/unix:///run/override")
	r.do(t, request{method: "DELETE", target: "/backends/web/http://localhost:8081"}).problem(t, 404, "no-such-call")
	r.do(t, request{method: "GET", target: "/backends/a%zz"}).problem(t, 400, "bad-request")
	assert.Empty(t, f.takeCalls())

	f.err = balancer.ErrNoBackend // It was removed just now.
	do("PATCH", "web/http://localhost:8081", `{"weight":1}`, "there is no such backend any more: GET /backends to see")
	f.all = nil
	do("GET", "x", "", "there is no backend x; want POOL/URL, and there are none")
}

func TestBackendChangesAreStrict(t *testing.T) {
	r, f := startBackends(t)
	do := func(body, wantDetail string) {
		t.Helper()
		p := r.do(t, request{method: "PATCH", target: "/backends/web/http://localhost:8081", body: body}).problem(t, 400, "bad-request")
		assert.Contains(t, p["detail"], wantDetail)
	}
	do(`{}`, "the body changes nothing; want state or weight in it")
	do(`{"state":"up"}`, `unexpected state "up"; want ready, drain or maint`)
	do(`{"state":""}`, `unexpected state ""; want ready, drain or maint`)
	do(`{"state":null}`, "state is null; want a string")
	do(`{"weight":0}`, "weight is 0; want a whole number of at least 1")
	do(`{"weight":101}`, "weight is 101; want 1 to 100")
	do(`{"weight":"2"}`, "want a whole number")
	do(`{"weight":1.0}`, "want a whole number")
	do(`{"weight":1,"weight":2}`, "weight is there twice")
	do(`{"url":"http://x"}`, `unknown member "url"; want state or weight`)
	do(`{"state":"drain","weight":null}`, "weight is null")
	target := "/backends/web/http://localhost:8081"
	r.do(t, request{method: "PATCH", target: target + "?x", body: `{"weight":1}`}).problem(t, 400, "bad-request")
	r.do(t, request{method: "PATCH", target: target, body: `{"weight":1}`, header: []string{"If-Match: *"}}).problem(t, 400, "bad-request")
	r.do(t, request{method: "PATCH", target: target, body: `{"weight":1}`, header: []string{"Content-Type: text/plain"}}).problem(t, 415, "unsupported-media-type")
	assert.Equal(t, "DELETE, GET, HEAD, PATCH", r.do(t, request{method: "PUT", target: target, body: `{"weight":1}`}).get("Allow"))
	assert.Empty(t, f.takeCalls())
	assert.Empty(t, r.logs.String())
}

// Each change of a backend is logged: who asked for what, what was there, and what is there now.
func TestBackendChangesAreLogged(t *testing.T) {
	r, _ := startBackends(t)
	require.Equal(t, 200, r.do(t, request{method: "PATCH", target: "/backends/web/http://localhost:8081", body: `{"state":"drain"}`}).status)
	var line map[string]any
	require.NoError(t, json.Unmarshal([]byte(r.logs.String()), &line))
	assert.Equal(t, map[string]any{
		"level": "info", "message": "admin write", "remote": "pipe", "credential": "none", "method": "PATCH", "backend": "web/http://localhost:8081",
		"before": map[string]any{"state": "ready", "weight": 2.0}, "after": map[string]any{"state": "drain", "weight": 2.0},
	}, line)
}

func TestBackendsBeforeTheyCanBeChanged(t *testing.T) {
	r := start(t, func(_ *Settings, s *Sources) { s.BackendWriter = nil })
	r.do(t, request{method: "PATCH", target: "/backends/a/b", body: `{"weight":1}`}).problem(t, 503, "starting")
	r.do(t, request{method: "DELETE", target: "/backends/a/b/override"}).problem(t, 503, "starting")
}
