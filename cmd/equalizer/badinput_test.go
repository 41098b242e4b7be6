package main

import (
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestUsage(t *testing.T) {
	code := func(want int, text string, args ...string) {
		t.Helper()
		p := spawn(t, args...)
		assert.Equal(t, want, p.wait(), args)
		assert.Contains(t, p.logs.text(), text, args)
	}
	code(2, "nothing to run: give -c FILE or --backend URL")
	code(2, `unknown command "serve"; want demo, check, schema, reload, status, replicas, backends, buckets, explain, errors, top, tail, bench, healthcheck, completion, man, version`, "serve")
	code(2, `unknown command "chekc"; did you mean check?`, "chekc")
	code(2, `unknown command "site.toml"; did you mean -c site.toml?`, "site.toml")
	code(2, "unknown flag --bogus\n", "--bogus")
	code(2, "unknown flag --bakend; did you mean --backend?", "--bakend", "http://127.0.0.1:1")
	code(2, "unknown flag --thrugh; did you mean --through?", "bench", "--thrugh", "http://127.0.0.1:1")
	code(2, `unexpected argument "b.toml"`, "check", "a.toml", "b.toml")
	code(2, `unexpected argument "b.toml": -c names a file already`, "check", "-c", "a.toml", "b.toml")
	code(2, `unexpected argument "extra"`, "--backend", "http://127.0.0.1:1", "extra")
	code(2, "want AMOUNT/DURATION", "--backend", "http://127.0.0.1:1", "--refill", "fast")
	code(2, `invalid value "many" for flag -capacity; want a whole number`, "--backend", "http://127.0.0.1:1", "--capacity", "many")
	code(2, `invalid boolean value "maybe" for -secret; want true or false`, "--secret=maybe")
	code(2, `invalid value "fast" for flag -rate; want a whole number`, "bench", "--rate", "fast")
	code(2, `invalid value "soon" for flag -duration; want a duration, such as "5s"`, "bench", "--duration", "soon")
	code(2, "Run 'equalizer demo --help' for usage.", "demo", "extra")
	code(1, "--trusted-header: limits.default.trusted_header: means nothing with key", "--backend", "http://127.0.0.1:1", "--trusted-header")
	code(2, "is no address", "healthcheck", "--admin", "nowhere")
	code(1, "nothing listens on 127.0.0.1:1", "healthcheck", "--admin", "127.0.0.1:1")
	code(1, "no such file", "-c", "/nonexistent.toml")
	code(1, "--backend", "--backend", "ftp://127.0.0.1:1")
	code(1, "--capacity", "--backend", "http://127.0.0.1:1", "--capacity", "0")
	code(1, "--key", "--backend", "http://127.0.0.1:1", "--key", "cookie:x")
	code(1, "--admin", "--backend", "http://127.0.0.1:1", "--admin", "0.0.0.0:8080")
	code(0, "", "--help")
	code(0, "", "demo", "--help")
	code(0, "", "version")
}

// Whatever a client claims about its address, it is limited by its real one.
func TestSpoofedForwardingHeaders(t *testing.T) {
	_, flags := startBackends(t, 1)
	p := launch(t, free(append(flags, "--capacity", "1000", "--refill", "1/24h", "--store", "memory")...)...)
	defer p.stop()
	spellings := []string{
		"X-Forwarded-For", "x-forwarded-for", "X-FORWARDED-FOR", "X_Forwarded_For", "x-forwarded_for",
		"X-Real-IP", "x-real-ip", "X_Real_Ip", "Forwarded", "forwarded", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Client-IP",
	}
	for i, name := range spellings {
		body := rawRequest(t, p.proxy, fmt.Sprintf("GET / HTTP/1.1\r\nHost: example.com\r\n%s: 203.0.113.%d\r\nConnection: close, %s\r\n\r\n", name, i, name))
		assert.Contains(t, body, "200 OK", name)
		if name != "X-Client-IP" {
			assert.NotContains(t, body, "203.0.113.", "%s reached the backend", name)
		}
		assert.Contains(t, body, "X-Forwarded-For: 127.0.0.1\r\n", name)
		assert.Contains(t, body, "X-Real-Ip: 127.0.0.1\r\n", name)
	}
	assert.Equal(t, int64(1000-len(spellings)), p.bucket("127.0.0.1").Tokens)
	assert.Equal(t, int64(1), p.status().Buckets.Count)
}

// rawRequest sends bytes as they are, and reads until the connection is closed.
func rawRequest(t *testing.T, url, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte(request))
	require.NoError(t, err)
	var answer strings.Builder
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		answer.Write(buf[:n])
		if err != nil {
			return answer.String()
		}
	}
}

func TestAmbiguousRequestsAreRefused(t *testing.T) {
	_, flags := startBackends(t, 1)
	p := launch(t, free(flags...)...)
	defer p.stop()
	statusLine := regexp.MustCompile(`HTTP/1.1 \d\d\d `)
	refused := func(want, request string) {
		t.Helper()
		got := rawRequest(t, p.proxy, request)
		assert.True(t, strings.HasPrefix(got, "HTTP/1.1 "+want), "%q: %q", request, got)
		assert.Equal(t, 1, len(statusLine.FindAllString(got, -1)), "%q: one answer, then closed", request)
	}
	refused("400", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
	refused("400", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
	refused("400", "GET / HTTP/1.1\r\nHost: a\r\nTransfer Encoding: chunked\r\n\r\n")
	refused("400", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n")
	refused("400", "GET / HTTP/1.1\r\n\r\n")
	refused("505", "GET / HTTP/2.0\r\nHost: a\r\n\r\n")
	refused("431", "GET / HTTP/1.1\r\nHost: a\r\nX: "+strings.Repeat("x", 20<<10)+"\r\n\r\n")
	refused("501", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n")
}
