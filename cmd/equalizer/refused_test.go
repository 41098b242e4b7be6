package main

import (
	"bufio"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// serveRaw is a backend that answers the paths of responses byte by byte, and every other path with
// 200.
func serveRaw(t *testing.T, responses map[string]string) (url string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go answerRaw(conn, responses)
		}
	}()
	return "http://" + ln.Addr().String()
}

func answerRaw(conn net.Conn, responses map[string]string) {
	defer conn.Close()
	for br := bufio.NewReader(conn); ; {
		r, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		response, ok := responses[r.URL.Path]
		if !ok {
			response = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
		}
		if _, err := conn.Write([]byte(response)); err != nil {
			return
		}
	}
}

// An operator finds what was refused, from clients and from backends, and nothing of its values.
// Mended responses are counted.
func TestRefusedMessages(t *testing.T) {
	backend := serveRaw(t, map[string]string{
		"/cookies": "HTTP/1.1 200 OK\r\n" + strings.Repeat("Set-Cookie: "+strings.Repeat("c", 3900)+"\r\n", 5) + "Content-Length: 0\r\n\r\n",
		"/twice":   "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0 \r\n\r\n",
		"/bad":     "HTTP/1.1 200 OK\r\nSet-Cookie: token=s3cret\x01\r\nContent-Length: 0\r\n\r\n",
	})
	p := launch(t, free("--backend", backend)...)
	defer p.stop()
	assert.Equal(t, "[]\n", p.call("GET", "/errors", "").body)
	assert.Equal(t, 200, p.get("/cookies").status)
	assert.Equal(t, 200, p.get("/twice").status)
	assert.Equal(t, 200, p.get("/twice").status)
	assert.Equal(t, 502, p.get("/bad?q=s3cret").status)
	p.await("the first refusal", func() bool { return p.call("GET", "/errors", "").body != "[]\n" })
	const malformed = "GET /?q=s3cret HTTP/1.1\r\nHost: a\r\nX-Api Key: s3cret\r\n\r\n"
	got := rawRequest(t, p.proxy, malformed)
	assert.True(t, strings.HasPrefix(got, "HTTP/1.1 400 "), got)

	var refused []struct {
		Time, Refused, Method, Reason, Field, Excerpt string
		Offset                                        int
	}
	p.await("both refusals", func() bool {
		body := p.call("GET", "/errors", "").body
		assert.NotContains(t, body, "s3cret")
		require.NoError(t, json.Unmarshal([]byte(body), &refused))
		return len(refused) == 2
	})
	request, response := refused[0], refused[1]
	assert.Equal(t, []any{"request", "GET", "field-name", "", strings.Index(malformed, " Key")}, []any{request.Refused, request.Method, request.Reason, request.Field, request.Offset})
	assert.Equal(t, []any{"response", "GET", "field-value", "Set-Cookie", 41}, []any{response.Refused, response.Method, response.Reason, response.Field, response.Offset})
	assert.Equal(t, "x=xxxxxx\x01\r\nxxxxx", response.Excerpt)

	s := p.status().Requests
	assert.Equal(t, []int64{2, 2, 1}, []int64{s.Mended, s.Responses.Informational, s.BadGateway})
	warned := p.logs.await(t, "a backend's responses are malformed in a harmless way and framed anew; this is logged once")
	assert.Equal(t, []any{"warn", backend}, []any{warned["level"], warned["backend"]})
	assert.Equal(t, 1, strings.Count(p.logs.text(), "this is logged once"))
	line := p.logs.awaitLine(t, "the refused response", func(line string) bool { return strings.Contains(line, `"refused":"response"`) })
	assert.Contains(t, line, `"reason":"field-value","offset":41,"field":"Set-Cookie"`)
}
