package api

import (
	"net/url"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/balancer"
)

// Backend is a backend in JSON.
type Backend struct {
	// ID names it among all backends: POOL/URL.
	ID   string `json:"id"`
	Pool string `json:"pool"`
	URL  string `json:"url"`
	// Address is the one of the URL's host that this is, and the ID is POOL/URL@ADDRESS, if each of
	// them is a backend of its own. LookupError is why the host can't be looked up now.
	Address     string `json:"address,omitempty"`
	LookupError string `json:"lookup_error,omitempty"`
	// Weight is its share, and State what the operator wants of it. They are those of Override, or
	// else of Configured.
	Weight int            `json:"weight"`
	State  balancer.State `json:"state"`
	// Backup reports whether it gets requests only while no other backend is available.
	Backup bool `json:"backup"`
	// EffectiveWeight is what Weight has grown to in a slow start, and what Advice leaves of it; 0
	// while it gets no requests.
	EffectiveWeight float64 `json:"effective_weight"`
	// Configured is what the configuration says, and Override what was said over this API since;
	// null is nothing. Stored reports whether the store has Override as it is; it is false until
	// the store is read. While it is false, a restart may undo what was said last.
	Configured BackendOverride  `json:"configured"`
	Override   *BackendOverride `json:"override"`
	Stored     bool             `json:"stored"`
	Healthy    bool             `json:"healthy"`
	// LastProbe is what the last probe found; "" before the first.
	LastProbe   string `json:"last_probe"`
	LastProbeAt Moment `json:"last_probe_at"`
	// Advice is what the last probe that succeeded was told: "50%" is that part of the weight,
	// "drain" no new requests, and "" nothing.
	Advice string `json:"advice"`
	// Ejected reports whether it gets no requests because of what those that it had show.
	// EjectedUntil is before when it doesn't come back, null if it isn't ejected, EjectedWhy what
	// they showed, and Ejections how often that happened.
	Ejected      bool   `json:"ejected"`
	EjectedUntil Moment `json:"ejected_until"`
	EjectedWhy   string `json:"ejected_why"`
	Ejections    int64  `json:"ejections"`
	// InFlight counts the requests that it has now, MaxInFlight is how many it may have, 0 is no
	// bound. Requests counts all attempts that were made at it, and Retries those that followed one
	// at it.
	InFlight    int64 `json:"in_flight"`
	MaxInFlight int64 `json:"max_in_flight"`
	Requests    int64 `json:"requests"`
	Retries     int64 `json:"retries"`
	// Failures counts those that it broke, and FailuresBy how it did. Responses counts the others,
	// by the class of their status, and Latency is how long it took until their heads were there.
	Failures   int64           `json:"failures"`
	FailuresBy BackendFaults   `json:"failures_by"`
	Responses  ResponsesStatus `json:"responses"`
	Latency    Quantiles       `json:"latency"`
}

// BackendFaults are how a backend broke requests: there was no connection, no valid response, or
// none in time.
type BackendFaults struct {
	Unreachable int64 `json:"unreachable"`
	Broke       int64 `json:"broke"`
	Late        int64 `json:"late"`
}

// BackendDetail is a backend with what its probes found, in JSON.
type BackendDetail struct {
	Backend
	// Probes are the last 32, the last one first.
	Probes []Probe `json:"probes"`
}

// Probe is the result of a probe, in JSON.
type Probe struct {
	// At is when it ended.
	At              Moment  `json:"at"`
	DurationSeconds float64 `json:"duration_seconds"`
	OK              bool    `json:"ok"`
	// Found is what it found, such as "200 in 0.8ms".
	Found string `json:"found"`
}

// BackendOverride is what is said of a backend, in JSON.
type BackendOverride struct {
	// State is "ready", "drain" or "maint"; "" is that nothing is said of it.
	State balancer.State `json:"state,omitempty"`
	// Weight is from 1 to 100; 0 is that nothing is said of it.
	Weight int `json:"weight,omitempty"`
}

// Name is what tells it apart in its pool: the URL, and which address of its host it is if each of
// them is a backend of its own.
func (b Backend) Name() string {
	if b.Address == "" {
		return b.URL
	}
	return b.URL + "@" + b.Address
}

// BackendPath is the path of the backend of an id.
func BackendPath(id string) string { return "/backends/" + url.PathEscape(id) }

func viewBackend(b balancer.BackendStatus) Backend {
	view := Backend{
		ID: b.ID(), Pool: b.Pool, URL: b.URL, Address: b.Address, LookupError: b.LookupError, Weight: b.Weight, State: b.State,
		Backup: b.Backup, EffectiveWeight: b.EffectiveWeight,
		Configured: BackendOverride(b.Configured), Stored: b.Stored,
		Healthy: b.Healthy, LastProbe: b.LastProbe, LastProbeAt: Moment{b.LastProbeAt}, Advice: b.Advice.String(),
		Ejected: b.Ejected, EjectedUntil: Moment{b.EjectedUntil}, EjectedWhy: b.EjectedWhy, Ejections: b.Ejections,
		InFlight: b.InFlight, MaxInFlight: b.MaxInFlight, Requests: b.Requests, Retries: b.Retries,
		Failures: b.Failures,
		FailuresBy: BackendFaults{
			Unreachable: b.Faults[balancer.Unreachable], Broke: b.Faults[balancer.Broke], Late: b.Faults[balancer.Late],
		},
		Responses: ResponsesStatus{
			Informational: b.Responses[1], Successful: b.Responses[2], Redirection: b.Responses[3],
			ClientError: b.Responses[4], ServerError: b.Responses[5],
		},
		Latency: quantilesOf(&b.Latency),
	}
	if b.Override != (balancer.Override{}) {
		view.Override = (*BackendOverride)(&b.Override)
	}
	return view
}

func (s *snapshot) listBackends(ctx *fasthttp.RequestCtx) error {
	all := s.sources.Backends()
	views := make([]Backend, len(all))
	for i, b := range all {
		views[i] = viewBackend(b)
	}
	return writeJSON(ctx, fasthttp.StatusOK, views)
}
