package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer/tlstest"
)

// polled is a backend with sessions in its memory, as socket.io's with its default transports: a
// client that polls must come back to the process that has its session.
func polled(t *testing.T) (address string, sessions func() int) {
	t.Helper()
	var mu sync.Mutex
	known := map[string]bool{}
	server := httptest.NewUnstartedServer(nil)
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		switch sid := r.URL.Query().Get("sid"); {
		case !strings.HasPrefix(r.URL.Path, "/socket.io/"):
		case sid == "":
			sid = fmt.Sprint(server.URL, " ", len(known))
			known[sid] = true
			fmt.Fprintf(w, `0{"sid":%q,"upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000}`, sid)
		case !known[sid]:
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"code":1,"message":"Session ID unknown"}`)
		case r.Method == http.MethodPost:
			_, _ = io.WriteString(w, "ok")
		default:
			_, _ = io.WriteString(w, "6")
		}
	})
	server.Start()
	t.Cleanup(server.Close)
	return server.URL, func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(known)
	}
}

// poller is a client of such backends, with cookies as a browser has them.
type poller struct {
	http.Client
	t   *testing.T
	sid string
}

func newPoller(t *testing.T, trusts *tls.Config) *poller {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	transport := &http.Transport{TLSClientConfig: trusts}
	t.Cleanup(transport.CloseIdleConnections)
	return &poller{Client: http.Client{Jar: jar, Transport: transport}, t: t}
}

func (p *poller) do(method, base string) (*http.Response, string) {
	p.t.Helper()
	request, err := http.NewRequest(method, base+"/socket.io/?EIO=4&transport=polling&sid="+url.QueryEscape(p.sid), http.NoBody)
	require.NoError(p.t, err)
	response, err := p.Do(request)
	require.NoError(p.t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(p.t, err)
	require.NoError(p.t, response.Body.Close())
	return response, string(body)
}

var sessionID = regexp.MustCompile(`"sid":"([^"]+)"`)

// open begins a session, and returns the cookie that came with it.
func (p *poller) open(base string) *http.Cookie {
	p.t.Helper()
	response, body := p.do("GET", base)
	p.sid = sessionID.FindStringSubmatch(body)[1]
	require.Len(p.t, response.Cookies(), 1)
	return response.Cookies()[0]
}

// polls sends and polls within the session.
func (p *poller) polls(base string) {
	p.t.Helper()
	for _, method := range []string{"POST", "GET", "GET", "POST"} {
		response, body := p.do(method, base)
		require.Equal(p.t, 200, response.StatusCode, body)
		require.Empty(p.t, response.Cookies(), "it stays where it is")
	}
}

// Sessions of socket.io's default transports go on over three backends, a reload and a restart. A
// client whose backend is drained gets another one, and stays there.
func TestSticky(t *testing.T) {
	ca := tlstest.NewCA(t)
	var urls []string
	var sessions []func() int
	for range 3 {
		one, count := polled(t)
		urls, sessions = append(urls, one), append(sessions, count)
	}
	text := byReload + clearAndSecure +
		newPair(t, ca.Issue("localhost")).table() + fmt.Sprintf("[store]\npath = %q\n", filepath.Join(t.TempDir(), "equalizer.db")) +
		"[pools.web]\nstrategy = \"sticky\"\nbackends = [" + quoted(urls) + "]\n"
	p, clear, secure := launchEdge(t, text)
	clear = "http://" + clear
	var clients []*poller
	for range 6 {
		c := newPoller(t, nil)
		cookie := c.open(clear)
		assert.Equal(t, "equalizer-web", cookie.Name)
		assert.True(t, cookie.HttpOnly && cookie.SameSite == http.SameSiteLaxMode && cookie.Path == "/" && !cookie.Secure, cookie.Raw)
		clients = append(clients, c)
	}
	for _, count := range sessions {
		assert.Equal(t, 2, count(), "new clients are spread")
	}
	_, port, _ := strings.Cut(secure, ":")
	overTLS := newPoller(t, &tls.Config{RootCAs: ca.Roots()})
	assert.True(t, overTLS.open("https://localhost:"+port).Secure)
	overTLS.polls("https://localhost:" + port)

	all := func() {
		t.Helper()
		for _, c := range clients {
			c.polls(clear)
		}
	}
	all()
	p.reloads(strings.Replace(text, "[pools.web]", "[pools.web]\nslow_start = \"10s\"", 1))
	all()
	p.stop()
	p, clear, _ = launchEdge(t, text)
	clear = "http://" + clear
	all()

	moves := clients[0]
	backend, _, _ := strings.Cut(moves.sid, " ")
	require.Equal(t, 200, p.call("PATCH", "/backends/web/"+backend, `{"state":"drain"}`).status)
	response, _ := moves.do("GET", clear)
	assert.Equal(t, 400, response.StatusCode, "nobody else has its session")
	require.Len(t, response.Cookies(), 1)
	moves.sid = ""
	_, body := moves.do("GET", clear)
	moves.sid = sessionID.FindStringSubmatch(body)[1]
	assert.NotContains(t, moves.sid, backend)
	moves.polls(clear)
}
