package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/api"
)

const replicasJSON = `{"replica":"edge-2","alive":2,"held":70,"leases":1,"spends_until":"2026-11-30T06:00:09.500Z","cut_off":false,"error":"","replicas":[` +
	`{"name":"edge-1","host":"a","pid":7,"since":"2026-11-30T05:00:00.000Z","expires":"2026-11-30T06:00:10.000Z","self":false},` +
	`{"name":"edge-2","host":"b","pid":8,"since":"2026-11-30T05:59:55.000Z","expires":"2026-11-30T06:00:08.000Z","self":true}]}`

func TestReplicasCommand(t *testing.T) {
	f := startAdmin(t, map[string]string{"GET /replicas": "200 " + replicasJSON})
	f.prints(t, 0, replicasJSON+"\n", "", "replicas", "--json")
	f.responses["GET /replicas"] = `404 {"type":"urn:gopher-equalizer:not-shared","detail":"there are no replicas; want store.shared = true"}`
	f.prints(t, 1, "", "equalizer: there are no replicas; want store.shared = true\n", "replicas")
	f.responses["GET /replicas"] = `200 {"replica":"edge-2","alive":2,"held":0,"leases":0,"spends_until":null,"cut_off":true,"error":"connection refused","replicas":[]}`
	f.prints(t, 0, "the store doesn't say which replicas there are: connection refused; there were 2\n"+
		"edge-2 holds 0 tokens of 0 clients, and may spend NONE: it is CUT OFF from the store\n", "", "replicas")
}

func TestReplicasText(t *testing.T) {
	var v api.ReplicasView
	require.NoError(t, json.Unmarshal([]byte(replicasJSON), &v))
	assert.Equal(t, `REPLICA  HOST  PID  JOINED    EXPIRES IN
edge-1   a     7    1h0m ago  10s
edge-2*  b     8    5s ago    8s
* edge-2 holds 70 tokens of 1 client, and may spend them for 9.5s without the store
`, replicasText(v, time.Date(2026, 11, 30, 6, 0, 0, 0, time.UTC)))
}

func TestTopOfAReplica(t *testing.T) {
	v := viewOf(t)
	v.now.Status.Shared = &api.SharedStatus{}
	assert.NotContains(t, v.text(0, 0, false), "cut off")
	v.now.Status.Shared.CutOff = true
	assert.Contains(t, v.text(0, 0, false), "\n1 of 2 backends down, it is cut off from the other replicas, limit client refuses 4.0/s\n")
}

func TestStatusOfAReplica(t *testing.T) {
	const shared = `"shared":{"replica":"edge-2","alive":3,"cut_off":false,"spend_seconds":9.5,"rounds":30,"failed_rounds":4,"late_rounds":5,"expulsions":6,` +
		`"held":70,"leases":8,"waits":9,"waits_in_vain":3}`
	of := func(shared string) string {
		f := startAdmin(t, map[string]string{
			"GET /readyz": `200 {"status":"ready"}`, "GET /status": "200 " + strings.Replace(statusJSON, `"log":`, shared+`,"log":`, 1),
			"GET /backends": "200 []", "GET /limits": "200 []",
		})
		s := inShell(t, nil, "status", "--admin", f.address())
		require.Equal(t, 0, s.code, s.stderr.String())
		return s.stdout.String()
	}
	const rest = "; holds 70 tokens of 8 clients; 30 rounds, 5 late, 4 failed; 9 requests waited, 3 in vain\n"
	assert.Contains(t, of(shared), "\nshared     edge-2, one of 3 replicas"+rest)
	assert.Contains(t, of(strings.Replace(shared, "false", "true", 1)), "\nshared     edge-2, CUT OFF from the store"+rest)
	assert.NotContains(t, of(`"shared":null`), "\nshared")
}
