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

// With --traffic there is something to see at once: requests of several clients, and one is
// limited. It works by TLS, too.
func TestDemoTraffic(t *testing.T) {
	t.Parallel()
	for _, more := range [][]string{nil, {"--tls", "--authority", t.TempDir()}} {
		args := append([]string{"demo", "--traffic", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--store", "memory"}, more...)
		p := spawn(t, args...)
		_, admin := p.logs.awaitDemo(t)
		require.Eventually(t, func() bool {
			var refused []api.RefusedClient
			require.NoError(t, json.Unmarshal([]byte(p.do("GET", "http://"+admin+"/refusals", "").body), &refused))
			return len(refused) == 1 && refused[0].ClientID == "198.51.100.66"
		}, deadline, 20*time.Millisecond)
		var buckets []struct{ Limit string }
		require.NoError(t, json.Unmarshal([]byte(p.do("GET", "http://"+admin+"/buckets", "").body), &buckets))
		assert.NotEmpty(t, buckets)
		p.stop()
	}
}

// Its rate is bounded, and one client of several is over its limit.
func TestVisitors(t *testing.T) {
	sum, over := 0, 0
	for _, v := range visitors() {
		sum += v.perSecond
		if v.perSecond > 5 {
			over++
		}
		assert.Positive(t, workFor(v.path))
	}
	assert.LessOrEqual(t, sum, 30)
	assert.Equal(t, 1, over)
	assert.Zero(t, workFor("/hello"), "the tours and the benchmark don't wait")

	var text strings.Builder
	f, err := parseDemo([]string{"--traffic"}, terminal{stdout: &text, getenv: func(string) string { return "" }})
	require.NoError(t, err)
	_, err = f.config(demoShown{backends: []string{"http://127.0.0.1:1"}}, terminal{getenv: func(string) string { return "" }})
	require.NoError(t, err)
}

func TestIsUnwell(t *testing.T) {
	for after, want := range map[time.Duration]bool{
		0: false, unwellAfter - 1: false, unwellAfter: true, unwellAfter + unwellFor: false, unwellEvery + unwellAfter: true,
	} {
		assert.Equal(t, want, isUnwell(after), after)
	}
}
