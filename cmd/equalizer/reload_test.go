package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// reloadable is a running equalizer, with the file that it is configured by.
type reloadable struct {
	*proxied
	file string
}

// launchWith starts the binary with a configuration that says where it listens.
func launchWith(t *testing.T, text string, flags ...string) reloadable {
	t.Helper()
	file := writeFile(t, text)
	return reloadable{launch(t, append([]string{"-c", file}, flags...)...), file}
}

// addressed is a configuration with addresses, and what else is in it.
func addressed(listen, admin string, more ...string) string {
	return fmt.Sprintf("[server]\nlisten = %q\n[admin]\nlisten = %q\n%s", listen, admin, strings.Join(more, "\n"))
}

// local0 has any free ports.
const local0 = "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n"

// poolOf is the table of a pool.
func poolOf(name string, urls ...string) string {
	return fmt.Sprintf("[pools.%s]\nbackends = [%s]\n", name, quoted(urls))
}

func quoted(list []string) string {
	var all []string
	for _, one := range list {
		all = append(all, fmt.Sprintf("%q", one))
	}
	return strings.Join(all, ", ")
}

// write replaces the file whole.
func (r reloadable) write(text string) {
	r.t.Helper()
	require.NoError(r.t, os.WriteFile(r.file+".new", []byte(text), 0o600))
	require.NoError(r.t, os.Rename(r.file+".new", r.file))
}

// reloads has the file be in force, and returns what changed: each key with its kind.
func (r reloadable) reloads(text string) map[string]string {
	r.t.Helper()
	r.write(text)
	a := r.call("POST", "/reload", "{}")
	require.Equal(r.t, 200, a.status, a.body)
	var reloaded struct {
		Changes []struct{ Key, Kind string }
	}
	require.NoError(r.t, json.Unmarshal([]byte(a.body), &reloaded))
	changes := map[string]string{}
	for _, c := range reloaded.Changes {
		changes[c.Key] = c.Kind
	}
	return changes
}

// refuses has a reload fail, and returns its mistakes.
func (r reloadable) refuses(text string) string {
	r.t.Helper()
	r.write(text)
	a := r.call("POST", "/reload", "{}")
	require.Equal(r.t, 422, a.status, a.body)
	return a.body
}

// count is how many lines have a message.
func (l *logs) count(message string) int {
	return strings.Count(l.text(), fmt.Sprintf(`"msg":%q`, message))
}

// A reload's difference is the response and a line of the log, whatever asked for it.
func TestReload(t *testing.T) {
	b := lasting(t)
	route := func(status int) string {
		return fmt.Sprintf("[[routes]]\nname = \"own\"\npath_prefix = \"/own\"\nrespond = { status = %d, body = \"own\" }\n[[routes]]\npool = \"web\"\n", status)
	}
	r := launchWith(t, local0+poolOf("web", b.URL))
	kept := keepAlive(t, r.proxy)
	assert.Equal(t, 200, kept.get("/own"))
	assert.Equal(t, map[string]string{`routes["own"]`: "added", `routes["/"]`: "added"}, r.reloads(local0+poolOf("web", b.URL)+route(201)))
	assert.Equal(t, 201, kept.get("/own"))
	assert.Equal(t, map[string]string{`routes["own"].respond.status`: "changed"}, r.reloads(local0+poolOf("web", b.URL)+route(202)))
	assert.Equal(t, 202, kept.get("/own"))
	line := r.logs.nth(t, 2, "reloaded")
	assert.Equal(t, []any{`routes["own"].respond.status`}, line["keys"])
	assert.Equal(t, "the admin API", line["trigger"])
	assert.EqualValues(t, 1, line["changed"])

	r.write(local0 + poolOf("web", b.URL) + route(203))
	r.signal(syscall.SIGHUP)
	assert.Equal(t, "SIGHUP", r.logs.nth(t, 3, "reloaded")["trigger"])
	assert.Equal(t, 203, kept.get("/own"))
	assert.Empty(t, r.reloads(local0+poolOf("web", b.URL)+route(203)))
	assert.Equal(t, 1, kept.connections)
	r.stop()
}

// nth waits for the nth JSON line with this message.
func (l *logs) nth(t *testing.T, n int, message string) (fields map[string]any) {
	t.Helper()
	await(t, message, func() bool { return l.count(message) >= n })
	for line := range strings.SplitSeq(l.text(), "\n") {
		fields = nil
		if json.Unmarshal([]byte(line), &fields) == nil && fields["msg"] == message {
			if n--; n == 0 {
				break
			}
		}
	}
	return fields
}

// keptClient is a client with one connection, and how many it has made.
type keptClient struct {
	t           *testing.T
	url         string
	http        http.Client
	connections int
}

func keepAlive(t *testing.T, url string) *keptClient {
	k := &keptClient{t: t, url: url}
	transport := &http.Transport{MaxConnsPerHost: 1}
	dialer := net.Dialer{Timeout: deadline}
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		k.connections++
		return dialer.DialContext(ctx, network, address)
	}
	k.http = http.Client{Transport: transport, Timeout: deadline}
	t.Cleanup(transport.CloseIdleConnections)
	return k
}

// get is the status of a GET.
func (k *keptClient) get(path string) int {
	k.t.Helper()
	resp, err := k.http.Get(k.url + path)
	require.NoError(k.t, err)
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(k.t, err)
	require.NoError(k.t, resp.Body.Close())
	return resp.StatusCode
}

// A mistake changes nothing, and all of them are told: in the response, and in the log.
func TestReloadOfABadFile(t *testing.T) {
	b := lasting(t)
	good := local0 + poolOf("web", b.URL)
	r := launchWith(t, good)
	bad := r.refuses(good + "[log]\nlevel = \"loud\"\nformat = \"xml\"\n")
	assert.Contains(t, bad, "2 mistakes; nothing was changed")
	assert.Contains(t, bad, `{"key":"log.level","where":"`+r.file+`:8","text":`)
	assert.Contains(t, bad, `{"key":"log.format","where":"`+r.file+`:9","text":`)
	const failed = "reload failed: nothing was changed"
	line := r.logs.nth(t, 1, failed)
	assert.Len(t, line["mistakes"], 2)
	assert.Equal(t, "error", line["level"])

	half := r.refuses(good[:len(good)-3])
	assert.Contains(t, half, `"key":"","where":"`+r.file)
	assert.Contains(t, r.refuses(local0+poolOf("web", "https://127.0.0.1:9")+"tls = { ca = \"/no/such.pem\" }\n"), "/no/such.pem")

	require.NoError(t, os.Remove(r.file))
	a := r.call("POST", "/reload", "{}")
	assert.Equal(t, 422, a.status)
	assert.Contains(t, a.body, "can't read the configuration: ")
	r.signal(syscall.SIGHUP)
	r.logs.nth(t, 5, failed)
	assert.Equal(t, 200, r.get("/").status)
	assert.Empty(t, r.reloads(good))
	r.stop()
}

// The public listener: kept with its connections whatever else changes, moved, and refused where it
// can't be had.
func TestReloadOfListeners(t *testing.T) {
	b := lasting(t)
	first, second, admin := freeAddress(t), freeAddress(t), freeAddress(t)
	with := func(listen, admin string) string {
		return addressed(listen, admin, "[log]\naccess = false\n", poolOf("web", b.URL))
	}
	r := launchWith(t, with(first, admin))
	ws, kept := r.webSocket(), keepAlive(t, r.proxy)
	require.Equal(t, 200, kept.get("/"))

	assert.Equal(t, map[string]string{"server.listen": "changed"}, r.reloads(with(second, admin)))
	assert.False(t, accepts(first))
	require.Equal(t, 200, kept.get("/"), "its connection lives on")
	ws.echoes("still there")
	r.proxy = "http://" + second
	require.Equal(t, 200, r.get("/").status)

	taken, err := net.Listen("tcp", first)
	require.NoError(t, err)
	assert.Contains(t, r.refuses(with(first, admin)+poolOf("other", b.URL)+"[[routes]]\npool = \"other\"\n"),
		`{"key":"server.listen","where":"`+r.file+`:2","text":"`+first+` is in use by another process`)
	require.Equal(t, 200, r.get("/").status)
	assert.NotContains(t, r.call("GET", "/backends", "").body, "other", "nothing else was changed")
	require.NoError(t, taken.Close())
	_, port, err := net.SplitHostPort(second)
	require.NoError(t, err)
	assert.Contains(t, r.refuses(with(":"+port, admin)), "overlaps "+second)

	moved := freeAddress(t)
	assert.Equal(t, map[string]string{"server.listen": "changed", "admin.listen": "changed"}, r.reloads(with(first, moved)))
	assert.False(t, accepts(admin))
	r.admin, r.proxy = "http://"+moved, "http://"+first
	require.Equal(t, 200, r.call("GET", "/readyz", "").status)
	assert.False(t, accepts(second))
	require.Equal(t, 200, r.get("/").status)
	ws.echoes("to the end")
	require.Equal(t, 200, kept.get("/"))
	assert.Equal(t, 1, kept.connections)
	require.NoError(t, ws.Close())
	r.stop()
}

// The admin API's token holds from the reload on, for open connections too.
func TestReloadOfTheToken(t *testing.T) {
	b := lasting(t)
	with := func(token string) string {
		return fmt.Sprintf("[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\ntoken = %q\n", token) + poolOf("web", b.URL)
	}
	const one, other = "one-0123456789abcdef", "other-0123456789abcdef"
	r := launchWith(t, with(""))
	kept := keepAlive(t, r.admin)
	require.Equal(t, 200, kept.get("/status"))
	r.write(with(one))
	require.Equal(t, 200, r.call("POST", "/reload", "{}").status)
	require.Equal(t, 401, kept.get("/status"))
	bearer := func(token string) answer { return r.do("GET", r.admin+"/status", "", "Authorization", "Bearer "+token) }
	require.Equal(t, 200, bearer(one).status)
	r.write(with(other))
	a := r.do("POST", r.admin+"/reload", "{}", "Authorization", "Bearer "+one)
	require.Equal(t, 200, a.status, a.body)
	assert.NotContains(t, a.body+r.logs.text(), "0123456789abcdef")
	require.Equal(t, 401, bearer(one).status)
	require.Equal(t, 200, bearer(other).status)
	r.write(with(""))
	require.Equal(t, 200, r.do("POST", r.admin+"/reload", "{}", "Authorization", "Bearer "+other).status)
	require.Equal(t, 200, kept.get("/status"))
	assert.Equal(t, 1, kept.connections)
	r.stop()
}

// The log's level and form change, and whether requests are logged.
func TestReloadOfTheLog(t *testing.T) {
	b := lasting(t)
	with := func(text string) string { return local0 + poolOf("web", b.URL) + "[log]\n" + text }
	r := launchWith(t, with("access = false\n"))
	require.Equal(t, 200, r.get("/quiet").status)
	r.reloads(with("access = true\n"))
	require.Equal(t, 200, r.get("/loud").status)
	r.logs.awaitLine(t, "the request", func(line string) bool { return strings.Contains(line, "/loud") })
	assert.NotContains(t, r.logs.text(), "/quiet")

	r.reloads(with("level = \"warn\"\n"))
	require.Equal(t, 200, r.get("/hushed").status)
	assert.Equal(t, 1, r.logs.count("reloaded"), "the second is not above info")
	r.reloads(with("format = \"console\"\n"))
	r.logs.awaitLine(t, "a line for people", func(line string) bool {
		return strings.Contains(line, "INFO  reloaded") && strings.Contains(line, "log.format")
	})
	assert.NotContains(t, r.logs.text(), "/hushed")
	r.stop()
}

// Limits of clients and of headers hold for what begins after the reload, on open connections too.
func TestReloadOfClientLimits(t *testing.T) {
	b := lasting(t)
	with := func(text string) string {
		return "[server]\nlisten = \"127.0.0.1:0\"\n" + text + "[admin]\nlisten = \"127.0.0.1:0\"\n" + poolOf("web", b.URL)
	}
	r := launchWith(t, with("max_header = \"1KiB\"\nmax_connections = 7\n"))
	large := func() int { return r.get("/", "X-Pad", strings.Repeat("x", 2<<10)).status }
	assert.Equal(t, 431, large())
	ws := r.webSocket()
	assert.Len(t, r.reloads(with("max_header = \"4KiB\"\nmax_connections = 9\nidle_timeout = \"50ms\"\n")), 3)
	assert.Equal(t, 200, large())
	assert.Contains(t, r.call("GET", "/status", "").body, `"max_connections":9`)
	kept := keepAlive(t, r.proxy)
	require.Equal(t, 200, kept.get("/"))
	r.await("the end of an idle connection", func() bool { return r.connections().Requests.Connections == 1 })
	ws.echoes("it isn't idle")
	require.NoError(t, ws.Close())
	r.stop()
}

// Which store there is takes a restart, and is refused by name. Its intervals change.
func TestReloadOfTheStore(t *testing.T) {
	b := lasting(t)
	with := func(text string) string {
		return local0 + poolOf("web", b.URL) + "[limits.default]\ncapacity = 1000\n[store]\n" + text
	}
	r := launchWith(t, with("path = \"one.db\"\nflush_interval = \"1h\"\n"))
	refused := r.refuses(with("path = \"two.db\"\nrequired_at_start = true\nflush_interval = \"59m\"\n"))
	assert.Contains(t, refused, `"key":"store.path"`)
	assert.Contains(t, refused, `restart`)
	assert.NotContains(t, refused, "flush_interval")
	assert.Equal(t, map[string]string{"store.timeout": "changed"}, r.reloads(with("path = \"one.db\"\nflush_interval = \"1h\"\ntimeout = \"7s\"\n")))
	r.stop()
}

// slowBackend is a backend that tells of each request, and answers none before release is called.
func slowBackend(t *testing.T) (url string, asked <-chan struct{}, release func()) {
	t.Helper()
	requests, answers := make(chan struct{}, 100), make(chan struct{})
	b := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		requests <- struct{}{}
		<-answers
	}))
	release = sync.OnceFunc(func() { close(answers) })
	t.Cleanup(func() { release(); b.Close() })
	return b.URL, requests, release
}

// slowPool is a pool whose first probe may take long.
func slowPool(url string) string {
	return poolOf("slow", url) + "health = { interval = \"1h\", timeout = \"1h\" }\n[[routes]]\npool = \"slow\"\n"
}

// reloading asks for n reloads at once, and returns what gets their statuses.
func (r reloadable) reloading(n int) <-chan int {
	statuses := make(chan int, n)
	for range n {
		go func() {
			a, err := do("POST", r.admin+"/reload", "{}")
			assert.NoError(r.t, err)
			statuses <- a.status
		}()
	}
	return statuses
}

// One reload runs, another waits for it, and a third is 409. A SIGHUP then leaves the reading to
// the one that waits.
func TestReloadsQueue(t *testing.T) {
	good := local0 + poolOf("web", lasting(t).URL)
	r := launchWith(t, good)
	url, probed, release := slowBackend(t)
	r.write(local0 + slowPool(url))
	runs := r.reloading(1)
	<-probed
	assert.Equal(t, 200, r.get("/").status, "by the configuration that is in force")
	r.write(good)
	rest := r.reloading(3)
	assert.Equal(t, []int{409, 409}, []int{<-rest, <-rest})
	r.signal(syscall.SIGHUP)
	r.logs.nth(t, 1, "SIGHUP: a reload that waits for its turn reads the configuration anyway")
	release()
	assert.Equal(t, []int{200, 200}, []int{<-runs, <-rest})
	assert.NotContains(t, r.call("GET", "/backends", "").body, "slow")
	r.stop()
	assert.Equal(t, 2, r.logs.count("reloaded"))
}

// A SIGHUP that comes during a reload is one more reload.
func TestSIGHUPDuringAReload(t *testing.T) {
	good := local0 + poolOf("web", lasting(t).URL)
	r := launchWith(t, good)
	url, probed, release := slowBackend(t)
	r.write(local0 + slowPool(url))
	runs := r.reloading(1)
	<-probed
	r.write(good)
	r.signal(syscall.SIGHUP)
	release()
	assert.Equal(t, 200, <-runs)
	assert.Equal(t, "SIGHUP", r.logs.nth(t, 2, "reloaded")["trigger"])
	assert.NotContains(t, r.call("GET", "/backends", "").body, "slow")
	r.stop()
}

// A reload that runs, and one that waits, don't delay a stop.
func TestReloadDuringTheStop(t *testing.T) {
	r := launchWith(t, local0+poolOf("web", lasting(t).URL))
	url, probed, _ := slowBackend(t)
	r.write(local0 + slowPool(url))
	statuses := r.reloading(3)
	<-probed
	assert.Equal(t, 409, <-statuses, "one runs, and another waits")
	began := time.Now()
	r.stop()
	assert.Less(t, time.Since(began), deadline/2)
	assert.Equal(t, []int{503, 503}, []int{<-statuses, <-statuses})
	assert.Contains(t, r.logs.text(), "reload given up")
	assert.Zero(t, r.logs.count("reload failed: nothing was changed"))
	assert.Zero(t, r.logs.count("reloaded"))
}

// A stop that comes with a SIGHUP, in either order, is an orderly stop.
func TestStopWithSIGHUP(t *testing.T) {
	file := local0 + poolOf("web", lasting(t).URL)
	for _, order := range [][]syscall.Signal{{syscall.SIGHUP, syscall.SIGTERM}, {syscall.SIGTERM, syscall.SIGHUP}} {
		r := launchWith(t, file)
		for _, s := range order {
			r.signal(s)
		}
		require.Equal(t, 0, r.wait(), r.logs.text())
	}
}

// A SIGHUP during the start has the file read once more when the process is ready.
func TestReloadDuringTheStart(t *testing.T) {
	url, probed, release := slowBackend(t)
	file := writeFile(t, local0+slowPool(url))
	r := reloadable{spawn(t, "-c", file), file}
	<-probed
	for range 3 {
		r.signal(syscall.SIGHUP)
	}
	r.write(local0 + slowPool(url) + "[log]\naccess = false\n")
	release()
	r.awaitReady()
	assert.Equal(t, []any{"log.access"}, r.logs.nth(t, 1, "reloaded")["keys"])
	r.stop()
	assert.Equal(t, 1, r.logs.count("reloaded"))
}

// A storm of SIGHUPs is as many reloads as there is time for, and the last one of them counts.
func TestStormOfSIGHUPs(t *testing.T) {
	with := func(n int) string {
		return local0 + poolOf("web", "http://127.0.0.1:9") +
			fmt.Sprintf("[[routes]]\nrespond = { status = 200, body = \"%d\" }\n[[routes]]\npath_prefix = \"/web\"\npool = \"web\"\n", n)
	}
	r := launchWith(t, with(0))
	for n := range 200 {
		r.write(with(n))
		r.signal(syscall.SIGHUP)
	}
	r.await("the last one", func() bool { return r.get("/").body == "199" })
	r.stop()
}

// A stop goes by the newest configuration, and the name in Via stays the process's.
func TestReloadOfTheServer(t *testing.T) {
	b := startBackend(t, "127.0.0.1:0")
	with := func(text string) string {
		return "[server]\nlisten = \"127.0.0.1:0\"\nvia = \"edge\"\n" + text + "[admin]\nlisten = \"127.0.0.1:0\"\n" + poolOf("web", b.url())
	}
	r := launchWith(t, with("drain_delay = \"24h\"\n"))
	via := regexp.MustCompile(`Via: 1\.1 edge-[0-9a-f]{8}`)
	first := via.FindString(r.get("/").body)
	require.NotEmpty(t, first)
	assert.Equal(t, map[string]string{"server.drain_delay": "changed"}, r.reloads(with("drain_delay = \"0s\"\n")))
	assert.Equal(t, first, via.FindString(r.get("/").body))
	assert.Equal(t, 508, r.get("/", "Via", strings.TrimPrefix(first, "Via: ")).status)
	r.stop()
}
