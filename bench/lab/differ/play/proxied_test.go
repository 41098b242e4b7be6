//go:build linux

package play

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy"
	"gopher-equalizer/proxy/netconn"
	"gopher-equalizer/proxy/outcome"
)

// patience bounds what must happen soon; nothing waits for it to pass.
const patience = 10 * time.Second

// inProcess starts this proxy in front of a backend. It is in this process so that the race
// detector and a fuzzer see into it.
func inProcess(t testing.TB) (*Proxy, *accessLog) {
	t.Helper()
	backend, err := StartBackend()
	require.NoError(t, err)
	t.Cleanup(backend.Close)
	pool := balancer.NewPool(balancer.Settings{
		Name:           "test",
		Backends:       []balancer.BackendSettings{{URL: "http://" + backend.Addr(), Addr: backend.Addr(), Weight: 1, State: balancer.Ready}},
		Health:         balancer.HealthSettings{Type: balancer.HealthTCP, Interval: time.Hour, Timeout: patience, Rise: 1, Fall: 1},
		MaxConnections: 16,
		NewProber: proxy.NewBackends(proxy.ConnectionSettings{
			Timeouts:          netconn.BackendLimits{Connect: patience, Response: patience, Idle: patience},
			MaxResponseHeader: 64 << 10,
			KeepAlive:         time.Minute,
		}).New,
		Logger: zerolog.Nop(),
	})
	pool.Probe(t.Context())
	log := newAccessLog()
	route := proxy.Route{Destination: proxy.Destination{Pool: pool, Retry: proxy.Retry{Retry: balancer.Retry{Most: 1}}}}
	p := proxy.New(
		&proxy.Snapshot{
			Routes:    proxy.OneRoute(&route),
			Clients:   netconn.ClientLimits{Header: patience, Idle: patience, Read: patience, Write: patience},
			MaxHeader: 16 << 10,
			Log:       outcome.Log{Access: true, JSON: zerolog.LevelWriterAdapter{Writer: log}},
		},
		zerolog.New(log),
	)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- p.Serve(ln, proxy.Listener{}) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, p.Close(ctx))
		require.NoError(t, p.Wait(ctx))
		require.NoError(t, <-served)
	})
	return &Proxy{Client: Client{Addr: ln.Addr().String(), Patience: patience}, Backend: backend}, log
}

// logged is a line of the access log.
type logged struct {
	Request struct{ Method, URI string }
	Status  int
}

// accessLog reads what the proxy logs.
type accessLog struct {
	mu      sync.Mutex
	changed *sync.Cond
	lines   []logged
}

func newAccessLog() *accessLog {
	l := &accessLog{}
	l.changed = sync.NewCond(&l.mu)
	return l
}

// Write is called once for each line.
func (l *accessLog) Write(p []byte) (int, error) {
	var line logged
	if err := json.NewDecoder(bytes.NewReader(p)).Decode(&line); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	l.changed.Broadcast()
	return len(p), nil
}

// clear drops all lines.
func (l *accessLog) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = nil
}

// take waits until the line of the clean client's request is there, and returns the lines before
// it. Lines of one connection are in the order of its requests. The clean client came after the
// connection before had ended.
func (l *accessLog) take(t testing.TB, clean string) (before []logged) {
	t.Helper()
	late := false
	timer := time.AfterFunc(patience, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		late = true
		l.changed.Broadcast()
	})
	defer timer.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		for i, line := range l.lines {
			if line.Request.URI == clean {
				before, l.lines = l.lines[:i:i], l.lines[i+1:]
				return before
			}
		}
		if late {
			require.FailNow(t, "no line for the clean client", "%s: %+v", clean, l.lines)
		}
		l.changed.Wait()
	}
}
