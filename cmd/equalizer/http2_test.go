package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer/tlstest"
)

// speaking is Go's own client, which speaks HTTP/2 if it may: by TLS it offers HTTP/1.1 besides, in
// clear it does so unasked.
func speaking(t *testing.T, config *tls.Config) *http.Client {
	t.Helper()
	var protocols http.Protocols
	if config != nil {
		protocols.SetHTTP1(true)
		protocols.SetHTTP2(true)
	} else {
		protocols.SetUnencryptedHTTP2(true)
	}
	transport := &http.Transport{TLSClientConfig: config, Protocols: &protocols}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// ask sends a request for a host to an address, and returns the response with its whole body.
func ask(c *http.Client, url, host string, header ...string) (*http.Response, string, error) {
	request, err := http.NewRequest("GET", url, nil)
	if err != nil {
		return nil, "", err
	}
	request.Host = host
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := c.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response, string(body), err
}

// asked is ask where it must work.
func asked(t *testing.T, c *http.Client, url, host string, header ...string) (*http.Response, string) {
	t.Helper()
	response, body, err := ask(c, url, host, header...)
	require.NoError(t, err)
	return response, body
}

// telling is a backend whose responses are what it was asked, once it has read the body.
func telling(t *testing.T) *httptest.Server {
	b := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%s %s %s\n", r.Method, r.Host, r.RequestURI)
		_ = r.Header.Write(w)
	}))
	t.Cleanup(b.Close)
	return b
}

// By TLS clients speak HTTP/2 without a word of the operator's, and HTTP/1.1 if they like.
func TestHTTP2(t *testing.T) {
	ca := tlstest.NewCA(t)
	r, clear, secure := launchEdge(t, "[server]\nvia = \"edge\"\n"+twoListeners+poolOf("web", telling(t).URL)+newPair(t, ca.Issue("a.test")).table())
	config := &tls.Config{RootCAs: ca.Roots(), ServerName: "a.test"}
	modern, old := speaking(t, config.Clone()), &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}

	response, body := asked(t, modern, "https://"+secure+"/x?y", "a.test", "Cookie", "a=b; c=d", "X-Forwarded-For", "6.6.6.6")
	assert.Equal(t, 2, response.ProtoMajor)
	assert.Equal(t, "max-age=60", response.Header.Get("Strict-Transport-Security"))
	assert.Empty(t, response.Header.Get("Alt-Svc"))
	lines := strings.Split(body, "\r\n")
	assert.Equal(t, "GET a.test /x?y\nAccept-Encoding: gzip", lines[0])
	for _, line := range []string{"Cookie: a=b; c=d", "X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: a.test"} {
		assert.Contains(t, lines, line)
	}
	assert.Contains(t, body, "Via: 2.0 edge-")

	line := r.logs.await(t, "request")
	assert.Equal(t, "HTTP/2.0", line["request"].(map[string]any)["proto"])
	assert.Equal(t, "/x?y", line["request"].(map[string]any)["uri"])
	assert.EqualValues(t, 1, r.http2Status().Connections)
	assert.Positive(t, r.http2Status().MaxRunning)

	response, body = asked(t, old, "https://"+secure+"/", "a.test")
	assert.Equal(t, 1, response.ProtoMajor)
	assert.Contains(t, body, "Via: 1.1 edge-")

	// In clear nothing is spoken that the operator hasn't asked for.
	_, _, err := ask(speaking(t, nil), "http://"+clear+"/", "a.test")
	require.Error(t, err)
	r.stop()
}

// http2Status is what the admin API tells of HTTP/2.
func (p *proxied) http2Status() (s struct {
	Connections, Running, Waiting int64
	MaxRunning                    int64 `json:"max_running"`
},
) {
	p.t.Helper()
	var all map[string]json.RawMessage
	a := p.call("GET", "/status", "")
	require.NoError(p.t, json.Unmarshal([]byte(a.body), &all))
	require.NoError(p.t, json.Unmarshal(all["http2"], &s))
	return s
}

// inClear is a listener in clear whose clients may speak both.
const inClear = "[admin]\nlisten = \"127.0.0.1:0\"\n[[listeners]]\nlisten = \"127.0.0.1:0\"\nprotocols = [\"http/1.1\", \"h2c\"]\n"

// In clear clients may begin with HTTP/2 if the operator says so.
func TestHTTP2InClear(t *testing.T) {
	r := launchWith(t, inClear+poolOf("web", telling(t).URL))
	for version, client := range map[int]*http.Client{1: {Transport: &http.Transport{DisableKeepAlives: true}}, 2: speaking(t, nil)} {
		response, body := asked(t, client, r.proxy+"/x", "a.test")
		assert.Equal(t, version, response.ProtoMajor)
		assert.True(t, strings.HasPrefix(body, "GET a.test /x\n"), body)
		assert.Contains(t, body, "X-Forwarded-Proto: http\r\n")
	}
	r.stop()
}

// A reload that takes HTTP/2 away finishes what runs, and has connections end.
func TestReloadWithoutHTTP2(t *testing.T) {
	ca := tlstest.NewCA(t)
	url, requests, release := slowBackend(t)
	text := twoListeners + poolOf("web", url) + "health = { type = \"tcp\" }\n" + newPair(t, ca.Issue("a.test")).table()
	r, _, secure := launchEdge(t, text)
	client := speaking(t, &tls.Config{RootCAs: ca.Roots(), ServerName: "a.test"})
	version := make(chan int, 1)
	go func() {
		response, _, err := ask(client, "https://"+secure+"/", "a.test")
		if assert.NoError(t, err) {
			version <- response.ProtoMajor
		}
	}()
	<-requests
	assert.Equal(t, map[string]string{`listeners["localhost:0"].protocols`: "added"},
		r.reloads(strings.Replace(text, "hsts", "protocols = [\"http/1.1\"]\nhsts", 1)))
	release()
	require.Equal(t, 2, <-version)
	r.await("the connection's end", func() bool { return r.http2Status().Connections == 0 })
	response, _ := asked(t, client, "https://"+secure+"/", "a.test")
	assert.Equal(t, 1, response.ProtoMajor)

	assert.Equal(t, map[string]string{`listeners["localhost:0"].protocols`: "removed"}, r.reloads(text))
	client.CloseIdleConnections()
	response, _ = asked(t, client, "https://"+secure+"/", "a.test")
	assert.Equal(t, 2, response.ProtoMajor)
	r.stop()
}

// A request for a host that wants more of clients than the connection's gave is misdirected.
func TestMisdirectedHTTP2(t *testing.T) {
	ca := tlstest.NewCA(t)
	r, _, secure := launchEdge(t, twoListeners+poolOf("web", telling(t).URL)+newPair(t, ca.Issue("open.test", "safe.test")).table()+
		fmt.Sprintf("[[tls.hosts]]\nhost = \"safe.test\"\nclient_auth = \"require\"\nclient_ca = %q\n", ca.File()))
	client := speaking(t, &tls.Config{RootCAs: ca.Roots(), ServerName: "open.test"})
	for host, want := range map[string]int{"open.test": 200, "safe.test": 421, "SAFE.test:443": 421} {
		response, _ := asked(t, client, "https://"+secure+"/", host)
		assert.Equal(t, want, response.StatusCode, host)
		assert.Equal(t, 2, response.ProtoMajor)
	}
	assert.EqualValues(t, 1, r.http2Status().Connections, "none was closed for it")
	r.stop()
}

// Each request of a connection is charged, and those that come at once are, too.
func TestLimitsOverHTTP2(t *testing.T) {
	r := launchWith(t, inClear+poolOf("web", telling(t).URL)+"[limits.default]\ncapacity = 5\nrefill = \"1/1h\"\n", "--store", "memory")
	client := speaking(t, nil)
	var mu sync.Mutex
	statuses := map[int]int{}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			response, body, err := ask(client, r.proxy+"/", "a.test")
			if !assert.NoError(t, err) {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			statuses[response.StatusCode]++
			if response.StatusCode == 429 {
				assert.Equal(t, "application/problem+json", response.Header.Get("Content-Type"))
				assert.NotEmpty(t, response.Header.Get("Retry-After"))
				assert.Contains(t, body, "quota-exceeded")
			}
		})
	}
	all.Wait()
	assert.Equal(t, map[int]int{200: 5, 429: 15}, statuses)
	r.stop()
}

// Requests past max_running wait, and a reload lets more of them run.
func TestMaxRunningRequests(t *testing.T) {
	url, requests, release := slowBackend(t)
	text := "[server]\nmax_running = 1\n" + inClear + poolOf("web", url) + "health = { type = \"tcp\" }\n"
	r := launchWith(t, text)
	client := speaking(t, nil)
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			response, _, err := ask(client, r.proxy+"/", "a.test")
			if assert.NoError(t, err) {
				assert.Equal(t, 200, response.StatusCode)
			}
		})
	}
	<-requests
	r.await("two to wait", func() bool { return r.http2Status().Waiting == 2 })
	assert.EqualValues(t, 1, r.http2Status().Running)
	assert.Equal(t, map[string]string{"server.max_running": "changed"}, r.reloads(strings.Replace(text, "= 1", "= 2", 1)))
	<-requests
	s := r.http2Status()
	assert.Equal(t, []int64{2, 1, 2}, []int64{s.Running, s.Waiting, s.MaxRunning})
	release()
	all.Wait()
	r.stop()
}

// HTTP/2 in clear where it isn't spoken is refused in HTTP/1.1.
func TestHTTP2WhereItIsNotSpoken(t *testing.T) {
	t.Parallel()
	r := launchWith(t, local0+poolOf("web", telling(t).URL))
	c, err := net.Dial("tcp", strings.TrimPrefix(r.proxy, "http://"))
	require.NoError(t, err)
	defer c.Close()
	_, err = io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	require.NoError(t, err)
	got, err := io.ReadAll(c)
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(string(got), "HTTP/1.1 505 "), "%q", got)
	r.stop()
}
