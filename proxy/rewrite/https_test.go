package rewrite

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/http1/http1test"
)

// Ours takes the place of a backend's, and a route may still change it.
func TestHSTS(t *testing.T) {
	const field, theirs = "Strict-Transport-Security: max-age=2", "strict-transport-security: max-age=1"
	f := func(hsts, head string, want ...string) {
		t.Helper()
		assert.Equal(t, want, fieldsOf(Response{Received: http1test.Response(t, head), HSTS: hsts}))
	}
	f("max-age=2", okResponse(theirs, "A: b", theirs), "Content-Length: 0", "A: b", field)
	f("max-age=2", okResponse(), "Content-Length: 0", field)
	f("", okResponse(theirs), "Content-Length: 0", theirs)
	f("", okResponse(theirs, "Connection: Strict-Transport-Security"), "Content-Length: 0")
	f("max-age=2", "HTTP/1.1 103 Early Hints\r\n"+theirs+"\r\n\r\n", theirs)

	reply := Reply{}
	reply.Begin(404, "", nil)
	reply.HSTS = "max-age=2"
	assert.Contains(t, string(reply.AppendHead(nil)), "\r\n"+field+"\r\n")
	reply.Begin(404, "", nil)
	assert.NotContains(t, string(reply.AppendHead(nil)), "Strict")
}

// A request is redirected to what it asked for, whatever that holds.
func TestHTTPS(t *testing.T) {
	f := func(want string, port int, host, target string) {
		t.Helper()
		var h http1.Request
		if h.Parse([]byte("GET "+target+" HTTP/1.1\r\nHost: "+host+"\r\n\r\n")) != nil {
			h = http1.Request{Host: []byte(host), Path: []byte(target)} // It must hold all the same.
		}
		var reply Reply
		BeginHTTPS(&reply, &h, port)
		assert.Equal(t, 308, reply.Status)
		assert.Contains(t, string(reply.AppendHead(nil)), "\r\nLocation: "+want+"\r\nContent-Length: 0\r\n")
		assert.Zero(t, testing.AllocsPerRun(10, func() { BeginHTTPS(&reply, &h, port) }))
	}
	f("https://a.test/x?y=%20", 443, "a.test:80", "/x?y=%20")
	f("https://a.test:8443//evil.test", 8443, "a.test", "//evil.test")
	f("https://a.test/%0D%0AX:%20y", 443, "a.test", "/\r\nX: y")
	f("https://a.test/%C3%A9%5C", 443, "a.test", "/\xc3\xa9\\")
	f("https://a.test/", 443, "a.test", "*")
	f("https://a.test/?q", 443, "a.test", "http://a.test?q")
}
