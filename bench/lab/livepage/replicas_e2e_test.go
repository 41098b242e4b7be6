//go:build linux && e2e

package main

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/api"
	"gopher-equalizer/balancer"
	"gopher-equalizer/limiter/lease"
)

// twoReplicas are two that share their buckets. The second is the one that the page is of.
type twoReplicas struct {
	mu     sync.Mutex
	cutOff bool
}

func (r *twoReplicas) Members(context.Context) ([]lease.Member, error) {
	now := time.Now()
	return []lease.Member{
		{Name: "edge-1", Host: markup, PID: 7, Since: now.Add(-time.Hour), Expires: now.Add(time.Hour)},
		{Name: "edge-2", Host: "b", PID: 8, Since: now.Add(-time.Minute), Expires: now.Add(time.Hour)},
	}, nil
}

func (r *twoReplicas) Stats() lease.Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return lease.Stats{
		Replica: "edge-2", Alive: 2, CutOff: r.cutOff, Until: 9 * time.Second, Held: 1234, Leases: 5,
		Rounds: 30, LateRounds: 4, FailedRounds: 3, Waits: 20, WaitsInVain: 1,
	}
}

// The card of the replicas is there where buckets are shared.
func TestReplicasOnTheLivePage(t *testing.T) {
	shares := &twoReplicas{}
	sources := api.Sources{
		Backends: func() []balancer.BackendStatus { return nil },
		Status:   func() api.Status { return api.Status{} },
		Ready:    func() api.Readiness { return api.Ready },
	}
	server := api.New(api.Settings{WriteTimeout: time.Minute}, sources, zerolog.Nop())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	t.Cleanup(func() {
		assert.NoError(t, server.Shutdown(context.Background()))
		assert.NoError(t, <-served)
	})
	v := visit(t, &site{t: t, admin: ln.Addr().String()})
	v.sees("document.querySelector('main').offsetParent")
	assert.Equal(t, "true", v.js("document.querySelector('#replicas').hidden"))

	sources.Replicas = shares
	server.Configure(api.Settings{WriteTimeout: time.Minute}, sources)
	v.sees("document.querySelector('#replicas tbody tr:nth-child(2)').offsetParent")
	assert.Equal(t, "edge-1", v.text("#replicas tbody tr td"))
	assert.Equal(t, markup, v.text("#replicas tbody tr td:nth-child(2)"))
	assert.Equal(t, "edge-2 (this one)", v.text("#replicas tbody tr:nth-child(2) td"))
	assert.Equal(t, "edge-2 is one of 2, holds 1,234 tokens of 5 clients, and may spend for 9 s without the store. "+
		"30 rounds, 4 of them late, and 3 failed. 20 requests waited for the store, 1 of them in vain.", v.text("#replicas p"))

	shares.mu.Lock()
	shares.cutOff = true
	shares.mu.Unlock()
	v.sees("document.querySelector('#faults-title').textContent === 'It is cut off from the other replicas'")
	v.sees("document.querySelector('#replicas p').textContent.includes('is cut off, and may spend nothing')")
	assert.Empty(t, v.complaints())
}
