package rewrite

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"gopher-equalizer/proxy/http1/http1test"
)

func TestBackendsStayHidden(t *testing.T) {
	f := func(location, want string) {
		t.Helper()
		for _, name := range []string{"Location", "location", "Content-Location", "CONTENT-LOCATION"} {
			assert.Contains(t, cleaned(t, okResponse("A: b", name+": "+location, "Connection: close", "Keep-Alive: x")), name+": "+want)
		}
	}
	const us = "https://shop.example:8443"
	f("http://10.0.0.1:8081/a?b#c", us+"/a?b#c")
	f("http://10.0.0.1:8081", us)
	f("http://10.0.0.1:8081?a", us+"?a")
	f("HTTPS://10.0.0.1:8081/", us+"/")
	f("//10.0.0.1:8081//a", us+"//a")
	f("http://BACKEND.internal/a", us+"/a")
	f("http://backend.internal:80/a", us+"/a")
	f("http://[2001:DB8::1]:8080/", us+"/")
	f("http://user@10.0.0.1:8081/a@b", us+"/a@b")
	f("http://u:p@q@10.0.0.1:8081", us)
	// These are somebody else, or nobody.
	for _, same := range []string{
		"/a", "a/b", "?a", "#a", "", "http://10.0.0.1/", "http://10.0.0.1:80810/", "http://10.0.0.1:808/", "http://backend.internal:8080/",
		"https://shop.example:8443/a", "http://example.com/?u=http://10.0.0.1:8081/", "ftp://10.0.0.1:8081/", "http:///a", "http://", "//", "http:10.0.0.1:8081",
		"http://user@example.com/", "http://10.0.0.1:8081@example.com/", "/http://user@10.0.0.1:8081/",
	} {
		f(same, same)
	}
}

func TestBackendsStayHiddenWithoutAHost(t *testing.T) {
	f := func(location, want string) {
		t.Helper()
		h := http1test.Response(t, okResponse("Location: "+location))
		got := fieldsOf(Response{Received: h, Scheme: "http", Hidden: []string{"10.0.0.1:80"}})
		assert.Contains(t, got, "Location: "+want)
	}
	f("http://10.0.0.1/a", "/a")
	f("http://10.0.0.1", "/")
	f("http://10.0.0.1?a", "/?a")
	f("http://10.0.0.1#a", "/#a")
}
