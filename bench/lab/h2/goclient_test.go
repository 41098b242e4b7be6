//go:build linux

package h2

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench/lab/h2/raw"
)

// goClient is Go's client for HTTP/2, and nothing else.
func goClient(to raw.Target) (client *http.Client, url string) {
	transport := &http.Transport{Protocols: new(http.Protocols), DisableCompression: true}
	if to.TLS == nil {
		transport.Protocols.SetUnencryptedHTTP2(true)
		return &http.Client{Transport: transport, Timeout: patience}, "http://" + to.Address
	}
	transport.Protocols.SetHTTP2(true)
	transport.TLSClientConfig = to.TLS.Clone()
	return &http.Client{Transport: transport, Timeout: patience}, "https://" + to.Address
}

// askGo has Go's client do an exchange.
func askGo(client *http.Client, url string, e exchange) (a answer, err error) {
	var body io.Reader
	if e.Upload >= 0 {
		body = strings.NewReader(pattern(e.Upload))
		if !e.Sized {
			body = io.MultiReader(body) // Its length can't be seen.
		}
	}
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{Got1xxResponse: func(status int, _ textproto.MIMEHeader) error {
		a.Interim = append(a.Interim, status)
		return nil
	}})
	request, err := http.NewRequestWithContext(ctx, e.Method, url+e.Path, body)
	if err != nil {
		return a, err
	}
	request.Host = site
	response, err := client.Do(request)
	if err != nil {
		return a, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	a.Status, a.Size, a.Digest = response.StatusCode, int64(len(text)), digest(string(text))
	for name, values := range response.Trailer {
		if a.Trailers == nil {
			a.Trailers = map[string]string{}
		}
		a.Trailers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	return a, err
}

// startGallery starts a binary in front of every kind of response. The client under the tight limit
// has spent what it may.
func startGallery(t *testing.T) *server {
	t.Helper()
	s := startServer(t, programs.racy, address(gallery(t).URL), galleryConfig)
	client, url := goClient(s.secure)
	response, err := client.Get(url + "/limited")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
	return s
}

// goAsks has Go's client do all exchanges.
func goAsks(t *testing.T, to raw.Target, sizes []int) {
	client, url := goClient(to)
	defer client.CloseIdleConnections()
	for _, e := range exchanges(sizes) {
		got, err := askGo(client, url, e)
		if assert.NoError(t, err, e.String()) {
			meets(t, e, got)
		}
	}
}

// Go's client gets every kind of response, and sends every kind of body. TestClients has others,
// and larger bodies.
func TestGo(t *testing.T) {
	s := startGallery(t)
	small := sizes()[:len(sizes())-1]
	for by, to := range s.targets() {
		t.Run(by, func(t *testing.T) { goAsks(t, to, small) })
	}
}
