//go:build linux && e2e

package h2

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench/lab/h2/raw"
)

// urlOf is the target's URL.
func urlOf(to raw.Target) string {
	if to.TLS == nil {
		return "http://" + to.Address
	}
	return "https://" + to.Address
}

// run runs a client, and returns what it printed.
func run(t *testing.T, input io.Reader, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdin = input
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	require.NoError(t, err, "%s %s: %s", name, strings.Join(args, " "), &errs)
	return string(out)
}

// scripted has a client in another language do all exchanges.
func scripted(t *testing.T, to raw.Target, name string, args ...string) {
	asked, err := json.Marshal(map[string]any{"url": urlOf(to), "exchanges": exchanges(sizes())})
	require.NoError(t, err)
	var answers []struct {
		answer
		Error string
	}
	require.NoError(t, json.Unmarshal([]byte(run(t, bytes.NewReader(asked), name, args...)), &answers))
	require.Len(t, answers, len(exchanges(sizes())))
	for i, e := range exchanges(sizes()) {
		got := answers[i].answer
		if len(got.Trailers) == 0 {
			got.Trailers = nil
		}
		if assert.Empty(t, answers[i].Error, e.String()) {
			meets(t, e, got)
		}
	}
}

// curl does an exchange with curl.
func curl(t *testing.T, to raw.Target, e exchange) answer {
	dir := t.TempDir()
	header, body, upload := filepath.Join(dir, "header"), filepath.Join(dir, "body"), filepath.Join(dir, "upload")
	args := []string{"--silent", "--show-error", "--insecure", "--dump-header", header, "--output", body, "--request", e.Method, "--write-out", "%{http_version}"}
	if to.TLS == nil {
		args = append(args, "--http2-prior-knowledge")
	} else {
		args = append(args, "--http2")
	}
	var input io.Reader
	switch {
	case e.Method == "HEAD":
		args = append(args, "--head")
	case e.Upload >= 0 && e.Sized:
		require.NoError(t, os.WriteFile(upload, []byte(pattern(e.Upload)), 0o600))
		args = append(args, "--data-binary", "@"+upload)
	case e.Upload >= 0:
		args, input = append(args, "--upload-file", "-"), strings.NewReader(pattern(e.Upload))
	}
	args = append(args, "--header", "Host: "+site, urlOf(to)+e.Path)
	require.Equal(t, "2", run(t, input, "curl", args...))
	text, err := os.ReadFile(header)
	require.NoError(t, err)
	got := curled(t, string(text))
	if e.Method != "HEAD" { // With --head curl puts the header there.
		if content, err := os.ReadFile(body); err == nil {
			got.Size, got.Digest = int64(len(content)), digest(string(content))
			return got
		}
	}
	got.Digest = digest("") // Where nothing comes it makes no file.
	return got
}

var statusLine = regexp.MustCompile(`^HTTP/2 (\d+) `)

// curled reads the headers that curl has noted, with the trailers behind them.
func curled(t *testing.T, text string) (a answer) {
	blocks := strings.Split(strings.TrimSpace(text), "\r\n\r\n")
	for _, block := range blocks {
		status := statusLine.FindStringSubmatch(block)
		if status == nil {
			name, value, _ := strings.Cut(block, ": ")
			a.Trailers = map[string]string{name: value}
			continue
		}
		if a.Status != 0 {
			a.Interim = append(a.Interim, a.Status)
		}
		n, err := strconv.Atoi(status[1])
		require.NoError(t, err)
		a.Status = n
	}
	return a
}

// The frames that nghttp prints.
var (
	printedStatus = regexp.MustCompile(`recv \(stream_id=\d+[^)]*\) :status: (\d+)`)
	printedData   = regexp.MustCompile(`recv DATA frame <length=(\d+)`)
	printedOther  = regexp.MustCompile(`recv \(stream_id=\d+[^)]*\) (x-trailer): (.*)`)
	printedReset  = regexp.MustCompile(`recv (RST_STREAM|GOAWAY)`)
)

// nghttp does an exchange with nghttp, of nghttp2.
func nghttp(t *testing.T, to raw.Target, e exchange) (a answer) {
	args := []string{"--verbose", "--null-out", "--no-verify-peer", "--header", ":method: " + e.Method, "--header", ":authority: " + site}
	if e.Upload >= 0 {
		upload := filepath.Join(t.TempDir(), "upload")
		require.NoError(t, os.WriteFile(upload, []byte(pattern(e.Upload)), 0o600))
		args = append(args, "--data="+upload)
		if !e.Sized {
			args = append(args, "--no-content-length")
		}
	}
	text := run(t, nil, "nghttp", append(args, urlOf(to)+e.Path)...)
	require.NotRegexp(t, printedReset, text)
	for _, status := range printedStatus.FindAllStringSubmatch(text, -1) {
		if a.Status != 0 {
			a.Interim = append(a.Interim, a.Status)
		}
		a.Status, _ = strconv.Atoi(status[1]) // It is digits.
	}
	for _, data := range printedData.FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(data[1])
		a.Size += int64(n)
	}
	for _, field := range printedOther.FindAllStringSubmatch(text, -1) {
		a.Trailers = map[string]string{field[1]: field[2]}
	}
	return a
}

// Every client gets every kind of response, and sends every kind of body, by TLS and in clear.
func TestClients(t *testing.T) {
	s := startGallery(t)
	single := func(ask func(*testing.T, raw.Target, exchange) answer) func(*testing.T, raw.Target) {
		return func(t *testing.T, to raw.Target) {
			for _, e := range exchanges(sizes()) {
				meets(t, e, ask(t, to, e))
			}
		}
	}
	clients := map[string]func(*testing.T, raw.Target){
		"Go":     func(t *testing.T, to raw.Target) { goAsks(t, to, sizes()) },
		"curl":   single(curl),
		"nghttp": single(nghttp),
		"node":   func(t *testing.T, to raw.Target) { scripted(t, to, "node", "testdata/client.mjs") },
		"python": func(t *testing.T, to raw.Target) { scripted(t, to, "/usr/bin/python3", "testdata/client.py") },
		"h2load": h2load,
	}
	for name, client := range clients {
		for by, to := range s.targets() {
			t.Run(name+"/"+by, func(t *testing.T) { client(t, to) })
		}
	}
}

// curl gets responses that end long before its body does.
func TestCurlUploadsInVain(t *testing.T) {
	s := startGallery(t)
	for by, to := range s.targets() {
		t.Run(by, func(t *testing.T) {
			for i := range 10 {
				e := exchange{Method: "POST", Path: "/limited", Upload: 10 << 20, Sized: i%2 == 0, want: own(429)}
				meets(t, e, curl(t, to, e))
			}
		})
	}
}

// h2load puts load on what can be repeated, 10 streams at a time on each connection.
func h2load(t *testing.T, to raw.Target) {
	for path, class := range map[string]string{
		"/size/0": "2xx", "/size/1": "2xx", "/size/10240": "2xx", "/size/1048576": "2xx", "/chunked/10240": "2xx", "/chunked/1048576": "2xx",
		"/status/204": "2xx", "/status/304": "3xx", "/status/404": "4xx", "/limited": "4xx", "/slow": "2xx", "/trailers": "2xx",
	} {
		text := run(t, nil, "h2load", "--requests=100", "--clients=5", "--max-concurrent-streams=10", "--header=:authority: "+site, urlOf(to)+path)
		assert.Contains(t, text, "Application protocol: h2", path)
		assert.Contains(t, text, fmt.Sprintf(" 100 %s", class), path)
		assert.Contains(t, text, "100 done, ", path)
		assert.Contains(t, text, " 0 errored, 0 timeout", path)
	}
}
