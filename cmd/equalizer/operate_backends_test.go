package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/api"
	"gopher-equalizer/balancer"
)

func TestBackendsAreListed(t *testing.T) {
	f := startAdmin(t, map[string]string{"GET /backends": "200 " + allBackends})
	const list = `BACKEND                   STATE           WEIGHT        HEALTH  IN FLIGHT  REQUESTS  FAILURES  LAST PROBE
api/unix:///run/app.sock  ready (backup)  1             DOWN    0          0         0         connect: connection refused, TIME ago
api/https://b:443         maint           1             -       0          0         0         -
web/http://10.0.0.1:80    ready           2 (now 0.20)  up      3          1234      1         200 in 0.8ms, TIME ago
web/http://10.0.0.2:80    drain*          5*            up      0          5         0         200 in 1.1ms, TIME ago
`
	f.prints(t, 0, list, "", "backends")
	f.prints(t, 0, list, "", "backends", "list")
	f.prints(t, 0, allBackends+"\n", "", "backends", "--json")
	f.prints(t, 0, "["+oneBackend+","+drained+"]\n", "", "backends", "list", "--pool", "web", "--json")
	f.prints(t, 0, "[]\n", "", "backends", "--json", "--pool", "none")
}

func TestBackendsAreChanged(t *testing.T) {
	const path = "/backends/web%2Fhttp:%2F%2F10.0.0.1:80"
	f := startAdmin(t, map[string]string{
		"GET /backends": "200 " + allBackends, "PATCH " + path: "200 " + oneBackend, "DELETE " + path + "/override": "200 " + oneBackend,
	})
	const said = "web/http://10.0.0.1:80: ready, weight 2, 3 in flight\n"
	asked := func(want string, args ...string) {
		t.Helper()
		f.asked = nil
		f.prints(t, 0, said, "", append([]string{"backends"}, args...)...)
		assert.Equal(t, []string{"GET /backends", want}, f.asked)
	}
	asked("PATCH "+path+` {"state":"ready"}`, "ready", "web/http://10.0.0.1:80")
	asked("PATCH "+path+` {"state":"drain"}`, "drain", "10.0.0.1")
	asked("PATCH "+path+` {"state":"maint"}`, "maint", "web/10.0.0.1:80")
	asked("PATCH "+path+` {"weight":7}`, "weight", "10.0.0.1", "7")
	asked("DELETE "+path+"/override", "reset", "10.0.0.1")
	f.prints(t, 0, oneBackend+"\n", "", "backends", "ready", "10.0.0.1", "--json")

	f.responses["PATCH "+path] = "200 " + drained
	f.prints(t, 0, "web/http://10.0.0.2:80: drain, weight 5, 0 in flight; not stored: a restart now would undo this\n", "", "backends", "drain", "10.0.0.1")
	f.responses["PATCH "+path] = `400 {"type":"urn:gopher-equalizer:bad-request","detail":"weight is 101; want 1 to 100"}`
	f.prints(t, 1, "", "equalizer: weight is 101; want 1 to 100\n", "backends", "weight", "10.0.0.1", "101")
	f.prints(t, 1, "", "equalizer: \"10.0.0\" is a part of several ids: web/http://10.0.0.1:80, web/http://10.0.0.2:80; want more of one\n", "backends", "ready", "10.0.0")
	f.prints(t, 1, "", "equalizer: no backend has \"10.0.0.9\" in its id; there are api/unix:///run/app.sock, api/https://b:443, web/http://10.0.0.1:80, web/http://10.0.0.2:80\n", "backends", "ready", "10.0.0.9")
}

// An empty ID, as of a variable that isn't set, is a part of every ID and names none.
func TestBackendsNeedAnID(t *testing.T) {
	f := startAdmin(t, map[string]string{"GET /backends": "200 [" + oneBackend + "]"})
	const want = "equalizer: the ID is empty; want POOL/URL as `equalizer backends` lists it, or a part of that\n"
	for _, args := range [][]string{{"ready", ""}, {"drain", ""}, {"maint", " "}, {"weight", "", "3"}, {"reset", ""}} {
		s := inShell(t, nil, append([]string{"backends", "--admin", f.address()}, args...)...)
		assert.Equal(t, 2, s.code, args)
		assert.Empty(t, s.stdout.String())
		assert.Contains(t, s.stderr.String(), want)
	}
	assert.Empty(t, f.asked)
}

func TestBackendsThatAreEjected(t *testing.T) {
	rows := backendsTable([]api.Backend{{
		ID: "web/http://a", State: balancer.Ready, Weight: 1, Healthy: true, LastProbe: "200 in 0.8ms",
		Ejected: true, EjectedWhy: "5 requests in a row failed",
	}}, time.Now())
	assert.Equal(t, "EJECTED", rows[1][3])
	assert.Contains(t, rows.String(), "200 in 0.8ms; ejected: 5 requests in a row failed\n")
}

// A drain that waits returns once nothing is in flight.
func TestBackendsDrainWaits(t *testing.T) {
	const path = "/backends/web%2Fhttp:%2F%2F10.0.0.1:80"
	busy := strings.Replace(oneBackend, `"state":"ready"`, `"state":"drain"`, 1)
	idle := strings.Replace(busy, `"in_flight":3`, `"in_flight":0`, 1)
	f := startAdmin(t, map[string]string{"GET /backends": "200 " + allBackends, "PATCH " + path: "200 " + busy, "GET " + path: "200 " + idle})
	f.prints(t, 0, "web/http://10.0.0.1:80: drain, weight 2, 0 in flight\n", "", "backends", "drain", "10.0.0.1", "--wait")
	f.responses["GET "+path] = "200 " + busy
	f.prints(t, 1, "", "equalizer: web/http://10.0.0.1:80 still has requests: 3; it stays in drain\n", "backends", "drain", "10.0.0.1", "--wait", "--within", "500ms")
	assert.Equal(t, "GET "+path, f.asked[len(f.asked)-1])
}

func TestFindID(t *testing.T) {
	ids := []string{"a/http://h:80", "b/http://h:80", "a/http://h:8080", "a/unix:///run/app.sock"}
	f := func(part, want string) {
		t.Helper()
		got, err := findID(ids, part)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	fails := func(part, want string) {
		t.Helper()
		_, err := findID(ids, part)
		assert.ErrorContains(t, err, want)
	}
	f("a/http://h:80", "a/http://h:80")
	f("b/h:80", "b/http://h:80")
	f("a/h:80", "a/http://h:80")
	f("h:8080", "a/http://h:8080")
	f("app.sock", "a/unix:///run/app.sock")
	f("unix", "a/unix:///run/app.sock")
	fails("h:80", "several ids: a/http://h:80, b/http://h:80; want more")
	fails("http", "several ids")
	fails("nowhere", "no backend has")
	fails("", "several ids")
}
