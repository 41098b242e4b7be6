package api

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/lease"
)

// fakeReplicas are what a test says.
type fakeReplicas struct {
	members []lease.Member
	err     error
	stats   lease.Stats
	within  time.Duration
}

func (f *fakeReplicas) Members(ctx context.Context) ([]lease.Member, error) {
	if at, ok := ctx.Deadline(); ok {
		f.within = time.Until(at)
	}
	return f.members, f.err
}

func (f *fakeReplicas) Stats() lease.Stats { return f.stats }

func twoReplicas() *fakeReplicas {
	at := time.Date(2026, 11, 30, 6, 0, 0, 0, time.UTC)
	return &fakeReplicas{
		members: []lease.Member{
			{Name: "edge-1", Host: "a", PID: 7, Since: at, Expires: at.Add(10 * time.Second)},
			{Name: "edge-2", Host: "b", PID: 8, Since: at.Add(time.Second), Expires: at.Add(11 * time.Second)},
		},
		stats: lease.Stats{
			Replica: "edge-2", Alive: 2, Until: 1500 * time.Millisecond, Rounds: 30, FailedRounds: 4, LateRounds: 5, Expulsions: 6,
			Held: 70, Leases: 8, Waits: 9, WaitsInVain: 3,
		},
	}
}

func TestReplicas(t *testing.T) {
	fake := twoReplicas()
	r := start(t, func(_ *Settings, s *Sources) { s.Replicas = fake })
	before := time.Now()
	got := r.do(t, request{method: "GET", target: "/replicas"})
	after := time.Now()
	require.Equal(t, 200, got.status, got.body)
	var v ReplicasView
	require.NoError(t, json.Unmarshal([]byte(got.body), &v))
	assert.False(t, v.SpendsUntil.Before(before.Add(fake.stats.Until).Truncate(time.Millisecond)))
	assert.False(t, v.SpendsUntil.After(after.Add(fake.stats.Until)))
	v.SpendsUntil = Moment{}
	rest, err := json.Marshal(v)
	require.NoError(t, err)
	assert.JSONEq(t, `{"replica": "edge-2", "alive": 2, "held": 70, "leases": 8, "cut_off": false, "spends_until": null, "error": "", "replicas": [
		{"name": "edge-1", "host": "a", "pid": 7, "since": "2026-11-30T06:00:00.000Z", "expires": "2026-11-30T06:00:10.000Z", "self": false},
		{"name": "edge-2", "host": "b", "pid": 8, "since": "2026-11-30T06:00:01.000Z", "expires": "2026-11-30T06:00:11.000Z", "self": true}
	]}`, string(rest))
	assert.InDelta(t, time.Minute, fake.within, float64(time.Minute)/2, "it waits for the store as long as a write")

	r.do(t, request{method: "GET", target: "/replicas?x"}).problem(t, 400, "bad-request")
	r.do(t, request{method: "POST", target: "/replicas", body: "{}"}).problem(t, 405, "method-not-allowed")
}

// A process that is cut off says so, and what it knows without the store.
func TestReplicasWithoutTheStore(t *testing.T) {
	fake := twoReplicas()
	fake.members, fake.err = nil, errors.New("connection refused")
	fake.stats.CutOff, fake.stats.Until = true, 0
	r := start(t, func(_ *Settings, s *Sources) { s.Replicas = fake })
	got := r.do(t, request{method: "GET", target: "/replicas"})
	assert.Equal(t, 200, got.status)
	assert.JSONEq(t, `{"replica": "edge-2", "alive": 2, "held": 70, "leases": 8, "cut_off": true, "spends_until": null, "error": "connection refused", "replicas": []}`, got.body)
}

func TestNoReplicas(t *testing.T) {
	r := start(t, nil)
	refused := r.do(t, request{method: "GET", target: "/replicas"}).problem(t, 404, "not-shared")
	assert.Equal(t, "this process shares its buckets with no other one, so there are no replicas; want store.shared = true", refused["detail"])
	var status map[string]any
	require.NoError(t, json.Unmarshal([]byte(r.do(t, request{method: "GET", target: "/status"}).body), &status))
	assert.Contains(t, status, "shared")
	assert.Nil(t, status["shared"])
	assert.NotContains(t, r.do(t, request{method: "GET", target: "/metrics"}).body, "equalizer_lease")
}

func TestSharedInStatusAndMetrics(t *testing.T) {
	r := start(t, func(_ *Settings, s *Sources) { s.Replicas = twoReplicas() })
	var status struct {
		Shared json.RawMessage `json:"shared"`
	}
	require.NoError(t, json.Unmarshal([]byte(r.do(t, request{method: "GET", target: "/status"}).body), &status))
	assert.JSONEq(t, `{"replica": "edge-2", "alive": 2, "cut_off": false, "spend_seconds": 1.5, "rounds": 30, "failed_rounds": 4, "late_rounds": 5, "expulsions": 6,
		"held": 70, "leases": 8, "waits": 9, "waits_in_vain": 3}`, string(status.Shared))

	got := samples(t, r.do(t, request{method: "GET", target: "/metrics"}).body)
	for name, want := range map[string]float64{
		`equalizer_replicas_alive`:                      2,
		`equalizer_lease_cut_off`:                       0,
		`equalizer_lease_spend_seconds`:                 1.5,
		`equalizer_lease_rounds_total{result="done"}`:   30,
		`equalizer_lease_rounds_total{result="failed"}`: 4,
		`equalizer_lease_late_rounds_total`:             5,
		`equalizer_lease_expulsions_total`:              6,
		`equalizer_lease_tokens_held`:                   70,
		`equalizer_leases`:                              8,
		`equalizer_lease_waits_total{result="replied"}`: 6,
		`equalizer_lease_waits_total{result="in_vain"}`: 3,
	} {
		require.Contains(t, got, name)
		assert.Equal(t, want, got[name], name)
	}
}
