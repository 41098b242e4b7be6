//go:build e2e

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer/tlstest"
)

// watchable is a configuration in which each alert's fault can be made. Its first %s are the
// backends.
const watchable = clearAndSecure + `
[server]
reload_on_change = "off"
max_connections = 60
[pools.www]
backends = [%s]
health = { path = "/health", interval = "1s", timeout = "1s", rise = 1, fall = 1 }
[limits.clients]
key = "header:X-Client"
secret = false
max_buckets = 20
capacity = 100000
refill = "1000/1h"
[store]
driver = "postgres"
flush_interval = "100ms"
`

// Prometheus, which .ci/peers installs, scrapes a proxy by the files in deploy. Nothing alarms
// while all is well. Then each fault is made: its alert fires, and each query of the board has
// data.
func TestPrometheus(t *testing.T) {
	database := newCluster(t)
	backends := []*faulty{startFaulty(t), startFaulty(t)}
	ca := tlstest.NewCA(t)
	issue := func(days time.Duration) tls.Certificate {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		return ca.IssueFor(key, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(days * 24 * time.Hour) }, "a.test")
	}
	certificate := newPair(t, issue(90))
	text := fmt.Sprintf(watchable, quoted([]string{backends[0].url(), backends[1].url()})) + certificate.table()
	r := launchWith(t, text, "--store", database.URL("equalizer"))
	clear, _, _ := strings.Cut(r.logs.await(t, "ready")["proxy"].(string), ", ")
	r.proxy = "http://" + clear
	require.Equal(t, 201, r.call("POST", "/buckets", `{"client_id":"poor","capacity":1,"refill":"1/1h"}`).status)
	load := startPaced(100, r.proxy+"/", "GET", "POST")
	p := startPrometheus(t, strings.TrimPrefix(r.admin, "http://"))

	p.await(`min(count_over_time(equalizer_store_lag_seconds[1m])) > 3 and on () sum(rate(equalizer_requests_total[1m])) > 0`)
	assert.Empty(t, p.firing(), "all is well")

	certificate.replace(t, issue(5))
	assert.Equal(t, 200, r.call("POST", "/reload", "{}").status)
	r.refuses(text + "unknown = 1\n")
	poor := startLoad(4, r.proxy+"/", "X-Client", "poor")
	for n := range 30 {
		require.Equal(t, 200, r.get("/", "X-Client", fmt.Sprint("client ", n)).status)
	}
	malformed(t, clear)
	r.exhaustConnections(clear)
	require.NoError(t, database.Stop())
	alerts := without(alertNames(t), "EqualizerCutOff", "EqualizerRoundsLate") // Those are of replicas.
	p.awaitFiring(without(alerts, "EqualizerDown", "EqualizerPoolDown", "EqualizerBackendDown", "EqualizerErrors"))
	for _, b := range backends {
		b.goDown() // What finds no backend is charged to no limit, so this comes last.
	}
	p.awaitFiring(without(alerts, "EqualizerDown"))
	for _, query := range boardQueries(t) {
		p.hasData(query)
	}

	poor.stop()
	load.stop()
	r.kill()
	p.awaitFiring([]string{"EqualizerDown"})
}

// malformed sends a request that is refused.
func malformed(t *testing.T, address string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer c.Close()
	_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
	require.NoError(t, err)
	response, err := io.ReadAll(c)
	require.NoError(t, err)
	require.Contains(t, string(response), "HTTP/1.1 400 ")
}

// exhaustConnections opens more connections than there may be, until one has to wait.
func (p *proxied) exhaustConnections(address string) {
	p.t.Helper()
	for range 70 {
		c, err := net.Dial("tcp", address)
		require.NoError(p.t, err)
		defer c.Close()
	}
	p.await("a client to wait", func() bool { return p.metrics()["equalizer_accept_pauses_total"] > 0 })
}

// prometheus is a running one.
type prometheus struct {
	t   *testing.T
	url string
}

// startPrometheus starts one that scrapes the admin API at an address, by the files in deploy. Its
// alerts don't wait, and what waits for the store does so for a second only.
func startPrometheus(t *testing.T, admin string) *prometheus {
	t.Helper()
	program, err := exec.LookPath("prometheus")
	require.NoError(t, err, "there is no prometheus; .ci/peers installs it")
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	replace := func(text, from, to string) string {
		replaced := regexp.MustCompile(from).ReplaceAllLiteralString(text, to)
		require.NotEqual(t, text, replaced, from)
		return replaced
	}
	alerts := replace(deployed(t, "prometheus/alerts.yml"), `(?m)^ +for: .*\n`, "")
	write("alerts.yml", replace(alerts, `lag_seconds > 30`, "lag_seconds > 1"))
	settings := replace(deployed(t, "prometheus/prometheus.yml"), `interval: 15s`, "interval: 500ms")
	write("prometheus.yml", replace(settings, `127\.0\.0\.1:8080`, admin))

	address := freeAddress(t)
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address, "--log.level=warn")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = deadline
	var log strings.Builder
	cmd.Stderr = &log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log("Prometheus' log:\n" + log.String())
		}
	})
	p := &prometheus{t, "http://" + address}
	await(t, "Prometheus to be ready", func() bool {
		a, err := do("GET", p.url+"/-/ready", "")
		return err == nil && a.status == http.StatusOK
	})
	return p
}

// deployed is a file of the folder deploy.
func deployed(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", path))
	require.NoError(t, err)
	return string(text)
}

// get reads the data of a call of Prometheus' API.
func (p *prometheus) get(path string, data any) {
	p.t.Helper()
	a, err := do("GET", p.url+path, "")
	require.NoError(p.t, err)
	require.Equal(p.t, 200, a.status, "%s: %s", path, a.body)
	require.NoError(p.t, json.Unmarshal([]byte(a.body), &struct{ Data any }{data}))
}

// sample is one of a query's results. Its value is a time and a number's text.
type sample struct {
	Metric map[string]string
	Value  [2]any
}

func (p *prometheus) query(text string) []sample {
	p.t.Helper()
	var data struct{ Result []sample }
	p.get("/api/v1/query?query="+url.QueryEscape(text), &data)
	return data.Result
}

// await waits until a query has a result.
func (p *prometheus) await(query string) {
	p.t.Helper()
	await(p.t, query, func() bool { return len(p.query(query)) > 0 })
}

// hasData checks that a query has a number among its results. Just started, a series has no rate.
func (p *prometheus) hasData(query string) {
	p.t.Helper()
	await(p.t, "data of "+query, func() bool {
		return slices.ContainsFunc(p.query(query), func(s sample) bool { return s.Value[1] != "NaN" })
	})
}

// firing are the names of the alerts that fire, in order.
func (p *prometheus) firing() (names []string) {
	p.t.Helper()
	var data struct {
		Alerts []struct {
			Labels map[string]string
			State  string
		}
	}
	p.get("/api/v1/alerts", &data)
	for _, a := range data.Alerts {
		if a.State == "firing" {
			names = append(names, a.Labels["alertname"])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (p *prometheus) awaitFiring(names []string) {
	p.t.Helper()
	var silent []string
	defer func() {
		if len(silent) > 0 {
			p.t.Log("these don't fire: ", silent)
		}
	}()
	await(p.t, "alerts", func() bool {
		silent = without(names, p.firing()...)
		return len(silent) == 0
	})
}

// without are the names that aren't among others.
func without(names []string, others ...string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(others, name) })
}

// alertNames are those of the file of alerts.
func alertNames(t *testing.T) (names []string) {
	t.Helper()
	for _, match := range regexp.MustCompile(`(?m)^ +- alert: (\w+)$`).FindAllStringSubmatch(deployed(t, "prometheus/alerts.yml"), -1) {
		names = append(names, match[1])
	}
	require.NotEmpty(t, names)
	return names
}

// boardQueries are those of the board's panels, annotations and variables, for all that there is.
func boardQueries(t *testing.T) (queries []string) {
	t.Helper()
	var board struct {
		Panels []struct {
			Type    string
			Targets []struct{ Expr string }
		}
		Annotations struct{ List []struct{ Expr string } }
		Templating  struct {
			List []struct{ Type, Definition string }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(deployed(t, "grafana/equalizer.json")), &board))
	for _, panel := range board.Panels {
		assert.Equal(t, panel.Type == "row", len(panel.Targets) == 0)
		for _, target := range panel.Targets {
			queries = append(queries, target.Expr)
		}
	}
	for _, a := range board.Annotations.List {
		queries = append(queries, a.Expr)
	}
	values := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`)
	for _, v := range board.Templating.List {
		if v.Type == "query" {
			of := values.FindStringSubmatch(v.Definition)
			require.NotNil(t, of, v.Definition)
			queries = append(queries, fmt.Sprintf("count by (%s) (%s)", of[2], of[1]))
		}
	}
	all := strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*", "$pool", ".*", "$limit", ".*")
	for i, q := range queries {
		queries[i] = all.Replace(q)
		require.NotContains(t, queries[i], "$")
	}
	return queries
}
