package api

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRoutes(t *testing.T) {
	var all []Route
	r := start(t, func(_ *Settings, s *Sources) { s.Routes = func() []Route { return all } })
	got := r.do(t, request{method: "GET", target: "/routes"})
	assert.Equal(t, []any{200, "[]\n"}, []any{got.status, got.body})

	pool := "default"
	all = []Route{
		{Name: "api", Host: "api.example", PathPrefix: "/v1", Methods: []string{"GET"}, Pool: &pool, Limits: []string{"default"}, Cost: 2},
		{Name: "old", PathPrefix: "/", Redirect: &RouteRedirect{To: "https://new.example$path", Status: 308}},
	}
	var routes []map[string]any
	require.NoError(t, json.Unmarshal([]byte(r.do(t, request{method: "GET", target: "/routes"}).body), &routes))
	require.Len(t, routes, 2)
	assert.Equal(t, "default", routes[0]["pool"])
	assert.Equal(t, 2.0, routes[0]["cost"])
	assert.Nil(t, routes[1]["pool"])
	assert.Equal(t, map[string]any{"to": "https://new.example$path", "status": 308.0}, routes[1]["redirect"])
	r.do(t, request{method: "GET", target: "/routes?x"}).problem(t, 400, "bad-request")
	r.do(t, request{method: "PUT", target: "/routes", body: "{}"}).problem(t, 405, "method-not-allowed")
}

func TestNoRoutes(t *testing.T) {
	r := start(t, func(_ *Settings, s *Sources) { s.Routes = nil })
	assert.Equal(t, "[]\n", r.do(t, request{method: "GET", target: "/routes"}).body)
}
