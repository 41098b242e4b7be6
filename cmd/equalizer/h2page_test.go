//go:build edge

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer/tlstest"
)

// pageResources and pageUploads are what a page loads, and what it sends meanwhile.
const pageResources, pageUploads = 100, 5

// page loads resources of two kinds and sends uploads beside, and reports what became of each.
const page = `<!DOCTYPE html><title>h2</title><body><script>
const report = { loaded: 0, uploaded: 0, errors: [], protocols: [] }
const fail = (what) => report.errors.push(String(what))
addEventListener('error', (e) => fail(e.message))
const image = (n) => new Promise((done) => {
  const i = new Image()
  i.onload = () => { report.loaded++; done() }
  i.onerror = () => { fail('image ' + n); done() }
  i.src = '/image?' + n
  document.body.append(i)
})
const part = async (n) => {
  const text = await (await fetch('/text?' + n)).text()
  if (text.length === 20000) report.loaded++; else fail('text ' + n + ': ' + text.length)
}
const upload = async (n) => {
  const size = 300000 + n
  const answer = await (await fetch('/upload', { method: 'POST', body: 'x'.repeat(size) })).text()
  if (answer === String(size)) report.uploaded++; else fail('upload ' + n + ': ' + answer)
}
const all = []
for (let n = 0; n < RESOURCES; n++) all.push(n % 2 ? image(n) : part(n).catch(fail))
for (let n = 0; n < UPLOADS; n++) all.push(upload(n).catch(fail))
Promise.all(all).then(() => {
  for (const e of performance.getEntriesByType('resource')) report.protocols.push(e.nextHopProtocol)
  return fetch('/report', { method: 'POST', body: JSON.stringify(report) })
})
</script>`

// pageReport is what the page has reported.
type pageReport struct {
	Loaded, Uploaded  int
	Errors, Protocols []string
}

// pageBackend has the page and all that it asks for.
func pageBackend(t *testing.T) (url string, reports <-chan pageReport) {
	t.Helper()
	reported := make(chan pageReport, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, strings.NewReplacer("RESOURCES", fmt.Sprint(pageResources), "UPLOADS", fmt.Sprint(pageUploads)).Replace(page))
	})
	mux.HandleFunc("GET /image", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/svg+xml")
		_, _ = io.WriteString(w, `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>`)
	})
	mux.HandleFunc("GET /favicon.ico", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /text", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 20_000)) })
	mux.HandleFunc("POST /upload", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		_, _ = fmt.Fprint(w, n)
	})
	mux.HandleFunc("POST /report", func(_ http.ResponseWriter, r *http.Request) {
		var report pageReport
		if err := json.NewDecoder(r.Body).Decode(&report); err != nil {
			report.Errors = append(report.Errors, err.Error())
		}
		reported <- report
	})
	backend := httptest.NewServer(mux)
	t.Cleanup(backend.Close)
	return backend.URL, reported
}

// netLog is Chromium's log of its network: how often each kind of event was there.
func netLog(t *testing.T, file string) map[string]int {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var log struct {
		Constants struct {
			LogEventTypes map[string]int `json:"logEventTypes"`
		}
		Events []struct{ Type int }
	}
	require.NoError(t, json.Unmarshal(text, &log))
	names := map[int]string{}
	for name, number := range log.Constants.LogEventTypes {
		names[number] = name
	}
	seen := map[string]int{}
	for _, e := range log.Events {
		seen[names[e.Type]]++
	}
	return seen
}

// Chromium loads a page of many resources by HTTP/2, over one connection and with uploads beside,
// and has nothing to complain about.
func TestEdgeLoadsAPage(t *testing.T) {
	ca := tlstest.NewCA(t)
	url, reports := pageBackend(t)
	r, _, secure := launchEdge(t, twoListeners+poolOf("web", url)+newPair(t, ca.Issue("localhost")).table())
	home := browserHome(t)
	trust(t, home, ca.File())
	log := filepath.Join(home, "net.json")
	_, port, err := net.SplitHostPort(secure)
	require.NoError(t, err)
	chromium(t, home, "--virtual-time-budget=60000", "--log-net-log="+log, "https://localhost:"+port+"/")
	var report pageReport
	select {
	case report = <-reports:
	case <-time.After(deadline):
		t.Fatal("the page reported nothing")
	}
	assert.Empty(t, report.Errors)
	assert.Equal(t, []int{pageResources, pageUploads}, []int{report.Loaded, report.Uploaded})
	require.Len(t, report.Protocols, pageResources+pageUploads)
	for _, protocol := range report.Protocols {
		assert.Equal(t, "h2", protocol)
	}
	seen := netLog(t, log)
	assert.Positive(t, seen["HTTP2_SESSION_INITIALIZED"])
	for _, wrong := range []string{"HTTP2_SESSION_RECV_RST_STREAM", "HTTP2_SESSION_RECV_GOAWAY", "HTTP2_STREAM_ERROR", "HTTP2_SESSION_SEND_RST_STREAM"} {
		assert.Zero(t, seen[wrong], wrong)
	}
	assert.NotContains(t, r.logs.text(), `"level":"error"`)
	r.stop()
}
