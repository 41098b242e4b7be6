package api

import "github.com/valyala/fasthttp"

// Readiness is whether the process wants traffic: Ready, or why not.
type Readiness string

// What a process can be.
const (
	// Starting: it hasn't loaded its buckets or probed its backends yet.
	Starting Readiness = "starting"
	// Ready: it wants traffic.
	Ready Readiness = "ready"
	// Stopping: it was told to stop, and finishes what runs.
	Stopping Readiness = "stopping"
)

// healthView is the answer of a process that is well.
type healthView struct {
	Status string `json:"status"`
}

func (s *Server) healthz(ctx *fasthttp.RequestCtx) error {
	return writeJSON(ctx, fasthttp.StatusOK, healthView{"ok"})
}

func (s *Server) readyz(ctx *fasthttp.RequestCtx) error {
	is := s.sources.Ready()
	if is != Ready {
		return refuse(errNotReady, "%s", is).with("reason", is)
	}
	return writeJSON(ctx, fasthttp.StatusOK, healthView{string(Ready)})
}
