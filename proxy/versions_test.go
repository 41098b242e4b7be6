package proxy

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"gopher-equalizer/proxy/identity"
)

// These tests send the same requests over HTTP/1.1 and over HTTP/2. What the backend gets and what
// the client gets must be the same except for framing.

// bothVersions are a client of each version in front of one proxy, whose backend records what it
// gets and responds as the path says.
type bothVersions struct {
	t       *testing.T
	url     string
	clients [2]*http.Client
	backend recordingBackend
}

func startVersions(t *testing.T, s setup, l aLimiter) *bothVersions {
	t.Helper()
	v := &bothVersions{t: t}
	b := httptest.NewServer(&v.backend)
	t.Cleanup(b.Close)
	p := startBoth(t, s, poolOf(t, connectionSettings(), b.Listener.Addr().String()), l)
	v.url = "http://" + p.addr
	stays := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for i, version := range versions {
		v.clients[i] = &http.Client{Transport: version.transport(t), CheckRedirect: stays}
	}
	return v
}

// sent is a request as a test writes it.
type sent struct {
	method, target string
	header         []string // names and values
	body           string
	// sized has its size be known beforehand. trailers come behind a body of unknown size.
	sized    bool
	trailers []string
}

// seen is what became of a request on both sides.
type seen struct {
	// toBackend is what the backend got; "" if that was nothing.
	toBackend string
	// toClient is what the client got, interim the interim responses before it.
	toClient, interim string
}

// alike sends a request over both versions, and returns what became of it.
func (v *bothVersions) alike(t require.TestingT, s sent) seen {
	var over [2]seen
	for i, c := range v.clients {
		over[i] = v.send(t, c, s)
	}
	require.Equal(t, over[0], over[1], "%+v", s)
	return over[0]
}

func (v *bothVersions) send(t require.TestingT, c *http.Client, s sent) (got seen) {
	v.backend.forget()
	var interim strings.Builder
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		fmt.Fprintf(&interim, "%d\n%s", code, fieldsText(http.Header(h)))
		return nil
	}}
	r := s.request(t, v.url)
	resp, err := c.Do(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	if err != nil {
		got.toClient = "no response"
	} else {
		got.toClient = responseText(resp)
		require.NoError(t, resp.Body.Close())
	}
	got.toBackend, got.interim = v.backend.last(), interim.String()
	return got
}

func (s sent) request(t require.TestingT, url string) *http.Request {
	var body io.Reader
	switch {
	case s.sized:
		body = bytes.NewReader([]byte(s.body))
	case s.body != "" || s.trailers != nil:
		body = io.MultiReader(strings.NewReader(s.body)) // Its size isn't to be known.
	}
	r, err := http.NewRequest(s.method, url+s.target, body)
	require.NoError(t, err)
	r.Header.Set("User-Agent", "test") // Go's has the version.
	for i := 0; i < len(s.header); i += 2 {
		if s.header[i] == "Host" {
			r.Host = s.header[i+1]
			continue
		}
		r.Header.Add(s.header[i], s.header[i+1])
	}
	for i := 0; i < len(s.trailers); i += 2 {
		if r.Trailer == nil {
			r.Trailer = http.Header{}
		}
		r.Trailer.Add(s.trailers[i], s.trailers[i+1])
	}
	return r
}

// responseText is all of a response that its client is to see.
func responseText(resp *http.Response) string {
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		body = append(body, "\ncut"...)
	}
	trailers := trailersText(resp)
	return fmt.Sprintf("%d %d\n%s\n%s\n%s", resp.StatusCode, resp.ContentLength, fieldsText(resp.Header), body, trailers)
}

// trailersText is a response's trailers. Where there can be none, Go's client shows those that were
// announced in one of two ways.
func trailersText(resp *http.Response) string {
	resp.Header.Del("Trailer")
	if resp.Request.Method == "HEAD" {
		return ""
	}
	return fieldsText(resp.Trailer)
}

// fieldsText is a header by its names, without what differs from request to request.
func fieldsText(h http.Header) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if name != "Date" && name != "X-Request-Id" {
			fmt.Fprintf(&text, "%s: %q\n", name, h[name])
		}
	}
	return text.String()
}

// recordingBackend records the last request, and responds as its path says.
type recordingBackend struct {
	mu  sync.Mutex
	got string
}

func (b *recordingBackend) forget() { b.record("") }

func (b *recordingBackend) record(got string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.got = got
}

func (b *recordingBackend) last() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.got
}

func (b *recordingBackend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/early" { // It doesn't wait for the body.
		w.Header().Set("Content-Length", "5")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "early")
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		body = append(body, "\ncut"...)
	}
	b.record(fmt.Sprintf("%s %s %s %v %d\n%s\n%s\n%s", r.Method, r.Host, r.RequestURI, r.TransferEncoding, r.ContentLength,
		fieldsText(r.Header), body, fieldsText(r.Trailer)))
	if respond := responses[r.URL.Path]; respond != nil {
		respond(w)
		return
	}
	w.Header().Set("X-Echo", r.Header.Get("X-Echo"))
	_, _ = w.Write(body)
}

// responses are those of recordingBackend, by path. Others are the request's body.
var responses = map[string]func(http.ResponseWriter){
	"/empty":     func(w http.ResponseWriter) { w.Header().Set("Content-Length", "0") },
	"/nothing":   func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) },
	"/unchanged": func(w http.ResponseWriter) { w.Header().Set("ETag", `"a"`); w.WriteHeader(http.StatusNotModified) },
	"/moved":     func(w http.ResponseWriter) { w.Header().Set("Location", "/there?a=b"); w.WriteHeader(http.StatusFound) },
	"/failed":    func(w http.ResponseWriter) { http.Error(w, "broken", http.StatusInternalServerError) },
	"/odd":       func(w http.ResponseWriter) { w.WriteHeader(599) },
	"/large":     func(w http.ResponseWriter) { _, _ = io.WriteString(w, strings.Repeat("0123456789", 100_000)) },
	"/fields": func(w http.ResponseWriter) {
		for i := range 50 {
			w.Header().Add("Set-Cookie", fmt.Sprintf("c%d=%s; Path=/; HttpOnly", i, strings.Repeat("v", i)))
		}
		w.Header()["x-LOWER"] = []string{"a", "", "caf\xe9\tb"}
		w.Header().Set("Keep-Alive", "timeout=5")
		w.Header().Set("Proxy-Connection", "x")
		w.Header().Set("WWW-Authenticate", "Basic")
		w.WriteHeader(http.StatusUnauthorized)
	},
	"/pieces": func(w http.ResponseWriter) {
		for range 5 {
			_, _ = io.WriteString(w, "piece ")
			_ = http.NewResponseController(w).Flush()
		}
	},
	"/trailers": func(w http.ResponseWriter) {
		w.Header().Set("Trailer", "X-Sum, X-None")
		_, _ = io.WriteString(w, "body")
		w.Header().Set("X-Sum", "5")
		w.Header().Set(http.TrailerPrefix+"X-Unannounced", "6")
	},
	"/hints": func(w http.ResponseWriter) {
		w.Header().Set("Link", "</a>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("X-Final", "yes")
	},
	"/until-close": raw("HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nuntil the end"),
	"/old":         raw("HTTP/1.0 200 OK\r\nX-A: b\r\n\r\nuntil the end"),
	"/twice":       raw("HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"),
	"/upgrade":     raw("HTTP/1.1 426 Upgrade Required\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
	"/short":       raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
	"/cut":         raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
	"/bad":         raw("HTTP/1.1 200 OK\r\nX: a\x01\r\n\r\n"),
	"/silent":      raw(""),
}

// raw responds with text as it stands, and closes the connection.
func raw(text string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_, _ = io.WriteString(c, text)
			_ = c.Close()
		}
	}
}

// Responses of every kind are the same over both, whatever the method.
func TestResponsesOverBothVersions(t *testing.T) {
	v := startVersions(t, settings(), nil)
	paths := append(slices.Sorted(maps.Keys(responses)), "/", "/early")
	for _, path := range paths {
		for _, method := range []string{"GET", "HEAD", "POST"} {
			t.Run(method+path, func(t *testing.T) {
				got := v.alike(t, sent{method: method, target: path})
				assert.NotEqual(t, "no response", got.toClient)
			})
		}
	}
	assert.Contains(t, v.alike(t, sent{method: "GET", target: "/hints"}).interim, "103\nLink: ")
	assert.Contains(t, v.alike(t, sent{method: "GET", target: "/trailers"}).toClient, `X-Unannounced: ["6"]`)
	assert.Contains(t, v.alike(t, sent{method: "GET", target: "/cut"}).toClient, "\ncut")
	assert.Contains(t, v.alike(t, sent{method: "GET", target: "/silent"}).toClient, "502 ")
}

// Requests of every kind are the same over both.
func TestRequestsOverBothVersions(t *testing.T) {
	v := startVersions(t, settings(), nil)
	f := func(want string, s sent) {
		t.Helper()
		assert.Contains(t, v.alike(t, s).toBackend, want)
	}
	large := strings.Repeat("0123456789", 100_000)
	for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "M-SEARCH"} {
		f(method+" ", sent{method: method, target: "/a?b=c&d"})
		f("[] 3\n", sent{method: method, target: "/a", body: "abc", sized: true})
	}
	f("[chunked] -1\n", sent{method: "POST", target: "/a", body: "abc"})
	f("[] 1000000\n", sent{method: "POST", target: "/a", body: large, sized: true})
	f("[chunked] -1\n", sent{method: "POST", target: "/a", body: large})
	f("[] 0\n", sent{method: "POST", target: "/a", sized: true})
	f(`X-Sum: ["5"]`, sent{method: "POST", target: "/a", body: "abc", trailers: []string{"X-Sum", "5"}})
	f("", sent{method: "POST", target: "/early", body: "abc", sized: true})

	f(`Cookie: ["a=b; c=d; e=f"]`, sent{method: "GET", target: "/", header: []string{"Cookie", "a=b; c=d; e=f"}})
	f("GET b.test /", sent{method: "GET", target: "/", header: []string{"Host", "b.test"}})
	f("GET B.test:8080 /", sent{method: "GET", target: "/", header: []string{"Host", "B.test:8080"}})
	f(`Te: ["trailers"]`, sent{method: "GET", target: "/", header: []string{"TE", "trailers"}})
	f(`X-Forwarded-For: ["127.0.0.1"]`, sent{method: "GET", target: "/", header: []string{
		"X-Forwarded-For", "6.6.6.6", "X_Forwarded_For", "6.6.6.6", "X-Real-IP", "6.6.6.6", "Forwarded", "for=6.6.6.6", "X-Forwarded-Proto", "https",
	}})
	f(`X-Many: ["a" "b" "" "c, d"]`, sent{method: "GET", target: "/", header: []string{"X-Many", "a", "X-Many", "b", "X-Many", "", "X-Many", "c, d"}})
	f("Range: ", sent{method: "GET", target: "/", header: []string{"Range", "bytes=0-1", "Authorization", "Bearer x", "Content_Length", "5"}})
	f(strings.Repeat("x", 8000), sent{method: "GET", target: "/", header: []string{"X-Long", strings.Repeat("x", 8000)}})
	f("GET ", sent{method: "GET", target: "/%2e%2e/a//b/../c?%zz=%00"})
}

// What the proxy says itself is the same over both.
func TestRefusalsOverBothVersions(t *testing.T) {
	s := settings()
	s.Limit, s.Route.MaxBody = "default", 1000
	s.Key, _ = identity.ParseKey("ip", false)
	limiter := &fakeLimiter{}
	v := startVersions(t, s, limiter)
	f := func(status string, s sent) {
		t.Helper()
		limiter.left.Store(2)
		got := v.alike(t, s)
		assert.True(t, strings.HasPrefix(got.toClient, status), "%s", got.toClient)
		assert.Empty(t, got.toBackend)
	}
	f("417 ", sent{method: "POST", target: "/", header: []string{"Expect", "something"}, body: "a", sized: true})
	f("413 ", sent{method: "POST", target: "/", body: strings.Repeat("x", 1001), sized: true})
	f("431 ", sent{method: "GET", target: "/", header: slices.Repeat([]string{"X-Many", "a"}, 130)})
	f("400 ", sent{method: "GET", target: "/", header: []string{"Host", "a_b:x"}})
	f("405 ", sent{method: "TRACE", target: "/", header: []string{"Max-Forwards", "0"}})
	f("204 ", sent{method: "OPTIONS", target: "/", header: []string{"Max-Forwards", "0"}})

	limiter.left.Store(0)
	got := v.alike(t, sent{method: "GET", target: "/"})
	assert.True(t, strings.HasPrefix(got.toClient, "429 "), "%s", got.toClient)
	assert.Contains(t, got.toClient, `Content-Type: ["application/problem+json"]`)
	assert.Contains(t, got.toClient, "Retry-After: ")
}

// Any request is the same over both.
func TestAnyRequestOverBothVersions(t *testing.T) {
	v := startVersions(t, settings(), nil)
	name := rapid.SampledFrom([]string{
		"Accept", "Cookie", "X-A", "x_a", "X-Forwarded-For", "x_forwarded_for", "Via", "TE", "Max-Forwards", "Content-Type", "Priority", "X-Request-Id",
		"Client-Cert", "Proxy-Authorization", "Http2-Settings", "Cache-Control", "Origin", "If-None-Match",
	})
	value := rapid.StringMatching(`[!-~]([ -~\t]{0,30}[!-~])?`)
	rapid.Check(t, func(t *rapid.T) {
		s := sent{
			method: rapid.SampledFrom([]string{"GET", "HEAD", "POST", "PUT", "OPTIONS", "X"}).Draw(t, "method"),
			target: "/" + rapid.StringMatching(`[a-z%./;=?&]{0,12}`).Draw(t, "target"),
			body:   rapid.StringN(0, 200, 2000).Draw(t, "body"),
			sized:  rapid.Bool().Draw(t, "sized"),
		}
		if strings.Contains(s.target, "%") {
			s.target = strings.ReplaceAll(s.target, "%", "%41")
		}
		for range rapid.IntRange(0, 6).Draw(t, "fields") {
			n, of := name.Draw(t, "name"), value.Draw(t, "value")
			switch {
			case n == "TE":
				of = "trailers"
			case n == "Cookie" && slices.Contains(s.header, n):
				continue // HTTP/2 has them be one (RFC 9113, section 8.2.3).
			case n == "Cookie":
				of = "a=b; c=d" // Go's client takes others apart without a space behind each semicolon.
			}
			s.header = append(s.header, n, of)
		}
		v.alike(t, s)
	})
}
