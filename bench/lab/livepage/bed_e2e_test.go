//go:build linux && e2e

package main

import (
	"context"
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

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench/lab/child"
	"gopher-equalizer/bench/lab/testbed"
)

// patience is how long a test waits for something that must happen. It is far longer than that
// takes, since a machine under load is no failure.
const patience = 30 * time.Second

// adminToken is the admin API's.
const adminToken = "the-page's-token"

// manyBackends and manyRoutes are how many there are beside the few that the test looks at.
const manyBackends, manyRoutes = 200, 1000

// site is a running proxy with much to see: a pool of many backends and one with a broken one, many
// routes, and a limit.
type site struct {
	t            *testing.T
	bed          *testbed.Bed
	file         string
	proxy, admin string
	process      *child.Process
}

// startSite starts it.
func startSite(t *testing.T) *site {
	t.Helper()
	bed, err := testbed.Open("livepage")
	require.NoError(t, err)
	t.Cleanup(bed.Close)
	require.NoError(t, bed.Build(t.Context(), testbed.Equalizer))
	free, err := child.FreeAddresses(3)
	require.NoError(t, err)
	s := &site{t: t, bed: bed, file: filepath.Join(t.TempDir(), "equalizer.toml"), proxy: free[0], admin: free[1]}
	s.configure(fmt.Sprintf("%q", "http://"+free[2]), backends(t, 2), backends(t, manyBackends))
	s.start()
	return s
}

// backends starts as many, which are one server, and returns their URLs as they are in TOML.
func backends(t *testing.T, n int) string {
	t.Helper()
	var urls []string
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		server := &httptest.Server{Listener: ln, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "ok")
		})}}
		server.Start()
		t.Cleanup(server.Close)
		urls = append(urls, fmt.Sprintf("%q", server.URL))
	}
	return strings.Join(urls, ", ")
}

func (s *site) configure(broken, few, many string) {
	var text strings.Builder
	fmt.Fprintf(&text, "[server]\nlisten = %q\n[admin]\nlisten = %q\ntoken = %q\n[store]\ndriver = \"memory\"\n", s.proxy, s.admin, adminToken)
	fmt.Fprintf(&text, "[pools.web]\nbackends = [%s, %s]\n[pools.many]\nbackends = [%s]\nhealth.interval = \"5s\"\n", broken, few, many)
	text.WriteString("[limits.client]\nkey = \"header:X-Client\"\nsecret = false\ntrusted_header = true\ncapacity = 5\nrefill = \"1/1m\"\n")
	text.WriteString("tiers.gold.capacity = 50\ntiers.gold.refill = \"5/1s\"\n")
	text.WriteString("[[routes]]\nname = \"web\"\npool = \"web\"\nlimits = [\"client\"]\n")
	for i := range manyRoutes {
		fmt.Fprintf(&text, "[[routes]]\npath_prefix = \"/r/%d\"\npool = \"many\"\n", i)
	}
	require.NoError(s.t, os.WriteFile(s.file, []byte(text.String()), 0o600))
}

// change replaces a part of the configuration.
func (s *site) change(from, to string) {
	s.t.Helper()
	text, err := os.ReadFile(s.file)
	require.NoError(s.t, err)
	require.Contains(s.t, string(text), from)
	require.NoError(s.t, os.WriteFile(s.file, []byte(strings.Replace(string(text), from, to, 1)), 0o600))
}

// start starts the process, and waits until it is ready.
func (s *site) start() {
	s.t.Helper()
	var err error
	s.process, err = s.bed.Start(child.Program{Path: s.bed.Program(testbed.Equalizer), Args: []string{"-c", s.file}})
	require.NoError(s.t, err)
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	require.NoError(s.t, s.process.Await(ctx, func() error { _, err := testbed.Get(ctx, "http://"+s.admin+"/readyz"); return err }))
}

// request sends a request of a client, and returns the status.
func (s *site) request(path, client string) int {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+s.proxy+path, http.NoBody)
	require.NoError(s.t, err)
	request.Header.Set("X-Client", client)
	response, err := http.DefaultClient.Do(request)
	require.NoError(s.t, err)
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(s.t, err)
	return response.StatusCode
}

// ask GETs something of the admin API.
func (s *site) ask(path string, into any) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+s.admin+path, http.NoBody)
	require.NoError(s.t, err)
	request.Header.Set("Authorization", "Bearer "+adminToken)
	response, err := http.DefaultClient.Do(request)
	require.NoError(s.t, err)
	defer response.Body.Close()
	require.NoError(s.t, json.NewDecoder(response.Body).Decode(into))
}

// visitor uses the page of a tab as people do.
type visitor struct {
	t *testing.T
	*tab
}

// visit opens the page.
func visit(t *testing.T, s *site) visitor {
	t.Helper()
	b, end, err := openBrowser(t.Context())
	require.NoError(t, err)
	t.Cleanup(end)
	tab, close, err := b.open("http://"+s.admin+"/", looks()[0])
	require.NoError(t, err)
	t.Cleanup(close)
	return visitor{t, tab}
}

// sees waits until an expression is true.
func (v visitor) sees(expression string) {
	v.t.Helper()
	require.NoError(v.t, v.await(expression, patience))
}

// click clicks an element.
func (v visitor) click(selector string) {
	v.t.Helper()
	v.sees(fmt.Sprintf("document.querySelector(%q)?.offsetParent", selector))
	require.NoError(v.t, v.do(chromedp.Click(chromedp.CSS(selector))), selector)
}

// fill types a text into a field, in place of what is there.
func (v visitor) fill(selector, text string) {
	v.t.Helper()
	v.js(fmt.Sprintf("(() => { document.querySelector(%q).value = ''; return '' })()", selector))
	require.NoError(v.t, v.do(chromedp.SendKeys(chromedp.CSS(selector), text)), selector)
}

// choose chooses a value of a field, as people do who leave it then.
func (v visitor) choose(selector, value string) {
	v.t.Helper()
	v.js(fmt.Sprintf("(() => { const e = document.querySelector(%q); e.value = %q; e.dispatchEvent(new Event('change')); return '' })()", selector, value))
}

// js is what an expression is, as text.
func (v visitor) js(expression string) string {
	v.t.Helper()
	text, err := chromedp.Run(v.ctx, chromedp.Evaluate[string]("String("+expression+")"))
	require.NoError(v.t, err, expression)
	return text
}

// text is the text of an element.
func (v visitor) text(selector string) string {
	v.t.Helper()
	return v.js(fmt.Sprintf("document.querySelector(%q).textContent", selector))
}
