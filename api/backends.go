package api

import (
	"github.com/valyala/fasthttp"

	"gopher-equalizer/balancer"
)

// backendView is a backend in JSON.
type backendView struct {
	Pool        string         `json:"pool"`
	URL         string         `json:"url"`
	Weight      int            `json:"weight"`
	State       balancer.State `json:"state"`
	Healthy     bool           `json:"healthy"`
	LastProbe   string         `json:"last_probe"`
	LastProbeAt Moment         `json:"last_probe_at"`
	InFlight    int64          `json:"in_flight"`
	Requests    int64          `json:"requests"`
	Failures    int64          `json:"failures"`
}

func viewBackend(b balancer.BackendStatus) backendView {
	return backendView{
		Pool: b.Pool, URL: b.URL, Weight: b.Weight, State: b.State, Healthy: b.Healthy,
		LastProbe: b.LastProbe, LastProbeAt: Moment{b.LastProbeAt},
		InFlight: b.InFlight, Requests: b.Requests, Failures: b.Failures,
	}
}

func (s *Server) listBackends(ctx *fasthttp.RequestCtx) error {
	all := s.sources.Backends()
	views := make([]backendView, len(all))
	for i, b := range all {
		views[i] = viewBackend(b)
	}
	return writeJSON(ctx, fasthttp.StatusOK, views)
}
