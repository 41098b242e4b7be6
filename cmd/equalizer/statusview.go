package main

import (
	"runtime"
	"runtime/metrics"

	"gopher-equalizer/api"
	"gopher-equalizer/limiter"
	"gopher-equalizer/proxy"
	"gopher-equalizer/proxy/h2"
	"gopher-equalizer/proxy/outcome"
)

// status is what GET /status has from the packages. limiting is nil if nothing is limited.
func (p *process) status(driver string, limiting *limiting) api.Status {
	stats := p.proxy.Stats()
	status := api.Status{
		Requests: requestsStatus(stats), HTTP2: http2Status(stats.HTTP2),
		Reloads: p.reloaded.status(), Log: logStatus(p.log), Runtime: runtimeStatus(),
	}
	if limiting == nil {
		return status
	}
	s := limiting.limits.Stats()
	status.Store = &api.StoreStatus{
		Driver: driver,
		Up:     s.StoreUp, Error: s.StoreError,
		Flushes: s.Flushes, FlushErrors: s.FlushErrors, FlushOverruns: s.FlushOverruns,
		LastFlush: api.Moment{Time: s.LastFlush},
		Dirty:     s.Dirty, LagSeconds: s.Lag.Seconds(),
	}
	all := bucketsStatus(s.Counts)
	status.Buckets = &all
	takes := map[string]outcome.TakesStats{}
	for _, t := range p.proxy.Takes() {
		takes[t.Limit] = t
	}
	for _, l := range s.Limits {
		status.Limits = append(status.Limits, api.LimitStatus{
			Name: l.Name, TakesStatus: takesStatus(takes[l.Name]), BucketsStatus: bucketsStatus(l.Counts), Dirty: l.Dirty,
		})
	}
	return status
}

func takesStatus(t outcome.TakesStats) api.TakesStatus {
	return api.TakesStatus{Allowed: t.Allowed, Limited: t.Limited, Overflow: t.Overflow, Exempt: t.Exempt, Near: t.Near}
}

// counts is what GET /metrics has from the proxy.
func (p *process) counts() api.Counts {
	counted := p.proxy.Counts()
	counts := api.Counts{Failures: reasonCounts(counted.Failures), Refused: reasonCounts(counted.Refused)}
	for _, t := range counted.Traffic {
		of := api.Traffic{Route: t.Route, Pool: t.Pool, Durations: t.Durations, Overhead: t.Overhead}
		for _, r := range t.Requests {
			of.Requests = append(of.Requests, api.RequestCount(r))
		}
		counts.Traffic = append(counts.Traffic, of)
	}
	return counts
}

func reasonCounts(all []outcome.ReasonCount) (counts []api.ReasonCount) {
	for _, r := range all {
		counts = append(counts, api.ReasonCount(r))
	}
	return counts
}

func bucketsStatus(c limiter.Counts) api.BucketsStatus {
	return api.BucketsStatus{Count: c.Buckets, Managed: c.Managed, Max: c.MaxBuckets, OverflowTakes: c.OverflowTakes}
}

func requestsStatus(s proxy.Stats) api.RequestsStatus {
	return api.RequestsStatus{
		Total: s.Total, InFlight: s.InFlight, Connections: s.Connections,
		MaxConnections: s.MaxConnections, AcceptPauses: s.AcceptPauses,
		Allowed: s.Total - s.Limited, Limited: s.Limited,
		Responses:  api.ResponsesStatus(s.Responses),
		BadGateway: s.BadGateway, Unavailable: s.Unavailable, GatewayTimeout: s.GatewayTimeout,
		ClientGone: s.ClientGone, TooSlow: s.TooSlow, Mended: s.Mended,
		Retries: s.Retries, Cut: s.Cut, Panics: s.Panics, FailedHandshakes: s.FailedHandshakes,
		Unintroduced: s.Unintroduced,
	}
}

func http2Status(s h2.Stats) api.HTTP2Status {
	return api.HTTP2Status{
		Connections: s.Connections, Running: s.Running, Waiting: s.Streams - s.Running, MaxRunning: s.MaxRunning,
		Reset: s.Reset, Refused: s.Refused, Oddities: s.Oddities, Calmed: s.Calmed, Faulty: s.Faulty,
	}
}

func logStatus(l runLog) api.LogStatus {
	dropped, err := l.status()
	status := api.LogStatus{Dropped: dropped}
	if err != nil {
		status.Error = err.Error()
	}
	return status
}

func refusedMessages(refused []outcome.Refused) []api.RefusedMessage {
	all := make([]api.RefusedMessage, len(refused))
	for i, r := range refused {
		all[i] = api.RefusedMessage{
			Time: api.Moment{Time: r.Time}, Refused: r.Message(), Method: r.Method,
			Reason: r.Reason, Field: r.Field, Offset: r.Offset, Excerpt: r.Excerpt,
		}
	}
	return all
}

// runtimeStatus asks the runtime in ways that don't stop the world. NumGoroutine leaves out the
// garbage collector's goroutines, which start with its first cycle. runtime/metrics counts them.
func runtimeStatus() api.RuntimeStatus {
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(heap)
	return api.RuntimeStatus{Goroutines: runtime.NumGoroutine(), HeapBytes: heap[0].Value.Uint64()}
}
