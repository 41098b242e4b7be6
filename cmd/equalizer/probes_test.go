package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Probes go to another port, with a credential, look at the body, and hear what the backend
// advises. Their results can be seen, and the credential can't.
func TestProbesAsConfigured(t *testing.T) {
	var says atomic.Value
	says.Store("50%")
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer hush" {
			w.Header().Set("X-Weight", says.Load().(string))
			fmt.Fprint(w, "all ok")
		}
	}))
	t.Cleanup(agent.Close)
	at, err := url.Parse(agent.URL)
	require.NoError(t, err)
	b := lasting(t)
	r := launchWith(t, local0+fmt.Sprintf("[pools.web]\nbackends = [%q]\n[pools.web.health]\nport = %s\nmatch_body = \"ok$\"\n"+
		"advice_header = \"x-weight\"\nheaders.Authorization = \"Bearer hush\"\ninterval = \"500ms\"\ntimeout = \"500ms\"\nfall = 100\n", b.URL, at.Port()))
	require.Equal(t, 200, r.get("/").status)
	type view struct {
		Healthy bool
		Advice  string
		Now     float64 `json:"effective_weight"`
		Probes  []struct {
			OK    bool
			Found string
			Took  float64 `json:"duration_seconds"`
		}
	}
	look := func() (v view) {
		require.NoError(t, json.Unmarshal([]byte(r.call("GET", "/backends/web/"+b.URL, "").body), &v))
		return v
	}
	v := look()
	assert.True(t, v.Healthy)
	assert.Equal(t, "50%", v.Advice)
	assert.Equal(t, 0.5, v.Now)
	require.NotEmpty(t, v.Probes)
	assert.Regexp(t, `^200 in \d+\.\dms$`, v.Probes[0].Found)
	assert.True(t, v.Probes[0].OK)
	assert.Positive(t, v.Probes[0].Took)

	says.Store("drain")
	r.await("the advice to drain", func() bool { return look().Advice == "drain" })
	require.Equal(t, 200, r.get("/").status, "nobody else is there")
	assert.Regexp(t, `equalizer_backend_probe_duration_seconds_count\{[^}]*\} [1-9]`, r.call("GET", "/metrics", "").body)
	shown := r.call("GET", "/config", "").body
	assert.Contains(t, shown, "Authorization")
	assert.NotContains(t, shown+r.logs.text(), "hush")
	r.stop()
}
