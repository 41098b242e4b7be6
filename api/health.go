package api

import "github.com/valyala/fasthttp"

// Readiness is Ready if the process wants traffic, or else why it doesn't.
type Readiness string

// The states of a process.
const (
	// Starting is before it has loaded its buckets and probed its backends.
	Starting Readiness = "starting"
	// Standby is while it waits for a store that another process holds.
	Standby Readiness = "standby"
	// Ready is when it wants traffic.
	Ready Readiness = "ready"
	// Stopping is when it was told to stop, and finishes the requests that it has.
	Stopping Readiness = "stopping"
)

// healthView is the response of a healthy process.
type healthView struct {
	Status string `json:"status"`
}

func (s *snapshot) healthz(ctx *fasthttp.RequestCtx) error {
	return writeJSON(ctx, fasthttp.StatusOK, healthView{"ok"})
}

func (s *snapshot) readyz(ctx *fasthttp.RequestCtx) error {
	is := s.sources.Ready()
	if is != Ready {
		return refuse(errNotReady, "%s", is).with("reason", is)
	}
	return writeJSON(ctx, fasthttp.StatusOK, healthView{string(Ready)})
}
