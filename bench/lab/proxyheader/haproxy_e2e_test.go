//go:build e2e && linux

package proxyheader

import (
	"context"
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

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench/lab/child"
	"gopher-equalizer/bench/lab/testbed"
)

// senders are the ways in which HAProxy names its client.
var senders = map[string]string{
	"v1":            "send-proxy",
	"v2":            "send-proxy-v2",
	"v2-checksum":   "send-proxy-v2 proxy-v2-options crc32c",
	"v2-everything": "send-proxy-v2-ssl-cn proxy-v2-options ssl,cert-cn,ssl-cipher,cert-sig,cert-key,authority,crc32c,unique-id",
}

// haproxy is a configuration with a listener for each sender, and one that names nobody. Its checks
// are connections of its own, for which version 2 says LOCAL.
func haproxy(front map[string]string, to string) string {
	var b strings.Builder
	b.WriteString("defaults\n mode tcp\n timeout connect 5s\n timeout client 10s\n timeout server 10s\n unique-id-format %[uuid()]\n")
	for name, bind := range front {
		fmt.Fprintf(&b, "listen %s\n bind %s\n server s %s %s check inter 100ms\n", name, bind, to, senders[name])
	}
	return b.String()
}

// from asks for a URL from an address of this machine, and returns the body.
func from(t *testing.T, local, url string) (string, error) {
	t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(local)}}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}
	response, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// A client behind HAProxy is known by its own address, however HAProxy says it. A client that comes
// without a header is closed.
func TestBehindHAProxy(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	bed, err := testbed.Open("proxyheader")
	require.NoError(t, err)
	t.Cleanup(bed.Close)
	require.NoError(t, bed.BuildRacy(ctx, testbed.Equalizer))
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("X-Real-IP"))
	}))
	t.Cleanup(backend.Close)

	addresses, err := child.FreeAddresses(2 + len(senders) + 1)
	require.NoError(t, err)
	listen, admin, addresses := addresses[0], addresses[1], addresses[2:]
	config := fmt.Sprintf("[[listeners]]\nlisten = %q\nproxy_protocol = [\"127.0.0.1\"]\n[admin]\nlisten = %q\n[pools.a]\nbackends = [%q]\n[store]\ndriver = \"memory\"\n",
		listen, admin, backend.URL)
	file := filepath.Join(bed.Dir, "equalizer.toml")
	require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
	ours, err := bed.Start(child.Program{Path: bed.Program(testbed.Equalizer), Args: []string{"-c", file}})
	require.NoError(t, err)
	require.NoError(t, ours.Await(ctx, func() error { _, err := testbed.Get(ctx, "http://"+admin+"/readyz"); return err }))

	front, i := map[string]string{"nobody": addresses[len(addresses)-1]}, 0
	for name := range senders {
		front[name] = addresses[i]
		i++
	}
	file = filepath.Join(bed.Dir, "haproxy.cfg")
	require.NoError(t, os.WriteFile(file, []byte(haproxy(front, listen)), 0o600))
	theirs, err := bed.Start(child.Program{Path: "haproxy", Args: []string{"-db", "-f", file}})
	require.NoError(t, err)
	for name := range senders {
		url := "http://" + front[name] + "/"
		require.NoError(t, theirs.Await(ctx, func() error { _, err := testbed.Get(ctx, url); return err }), name)
		for _, client := range []string{"127.0.0.1", "127.0.0.5", "127.3.2.1"} {
			body, err := from(t, client, url)
			require.NoError(t, err, name)
			assert.Equal(t, client, body, name)
		}
	}
	_, err = from(t, "127.0.0.1", "http://"+front["nobody"]+"/")
	require.Error(t, err)
	_, err = from(t, "127.0.0.1", "http://"+listen+"/")
	require.Error(t, err)
	var status struct {
		Requests struct{ Unintroduced int64 }
	}
	require.NoError(t, testbed.GetJSON(ctx, "http://"+admin+"/status", &status))
	assert.GreaterOrEqual(t, status.Requests.Unintroduced, int64(2))
}
