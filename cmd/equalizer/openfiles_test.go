//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// connectionsStatus is the part of GET /status about clients' connections.
type connectionsStatus struct {
	Requests struct {
		Connections    int64 `json:"connections"`
		MaxConnections int64 `json:"max_connections"`
		AcceptPauses   int64 `json:"accept_pauses"`
	} `json:"requests"`
}

func (p *proxied) connections() (s connectionsStatus) {
	p.t.Helper()
	a := p.call("GET", "/status", "")
	require.Equal(p.t, 200, a.status)
	require.NoError(p.t, json.Unmarshal([]byte(a.body), &s))
	return s
}

// With few open files, more clients than there is room for take turns, each with a connection that
// it would keep. All get their responses, also from the admin API.
func TestFewOpenFiles(t *testing.T) {
	const clients, room = 500, 79
	_, flags := startBackends(t, 1)
	script := []string{"-c", `ulimit -n 256; exec "$0" "$@"`, binary}
	p := spawnAs(t, "/bin/sh", func(*exec.Cmd) {}, append(script, free(flags...)...)...)
	p.awaitReady()
	warning := p.logs.awaitLine(t, "a warning", func(line string) bool { return strings.Contains(line, "the limit of open files is low") })
	assert.Contains(t, warning, `"open_files":256`)
	assert.Contains(t, warning, `"max_connections":79`)

	var running sync.WaitGroup
	var answered atomic.Int64
	done := make(chan struct{})
	for range clients {
		running.Go(func() {
			c, err := net.Dial("tcp", strings.TrimPrefix(p.proxy, "http://"))
			if !assert.NoError(t, err) {
				return
			}
			defer c.Close()
			assert.NoError(t, c.SetDeadline(time.Now().Add(deadline)))
			_, err = fmt.Fprint(c, "GET /?delay=100ms HTTP/1.1\r\nHost: x\r\n\r\n")
			assert.NoError(t, err)
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if assert.NoError(t, err) && assert.Equal(t, 200, resp.StatusCode) {
				_, err = io.Copy(io.Discard, resp.Body)
				assert.NoError(t, err)
			}
			answered.Add(1)
			<-done // It keeps the connection for as long as it can.
		})
	}
	for answered.Load() < clients && !t.Failed() {
		began := time.Now()
		require.Equal(t, 200, p.call("GET", "/readyz", "").status)
		s := p.connections()
		require.EqualValues(t, room, s.Requests.MaxConnections)
		require.LessOrEqual(t, s.Requests.Connections, int64(room))
		require.Less(t, time.Since(began), deadline/4)
	}
	assert.Positive(t, p.connections().Requests.AcceptPauses)
	close(done)
	running.Wait()
	assert.NotContains(t, p.logs.text(), "too many open files")
	p.stop()
}
