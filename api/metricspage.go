package api

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/api/metrics"
	"gopher-equalizer/balancer"
)

// metricsPage writes the page of GET /metrics. What GET /status has is named as it is named there:
// requests.accept_pauses is equalizer_accept_pauses_total.
type metricsPage struct{ *metrics.Page }

// none are no labels.
const none metrics.Labels = ""

// metrics is GET /metrics, in the format that its reader prefers.
func (s *snapshot) metrics(ctx *fasthttp.RequestCtx) error {
	var accept []string
	for _, value := range ctx.Request.Header.PeekAll(fasthttp.HeaderAccept) {
		accept = append(accept, string(value))
	}
	format := metrics.Accepted(strings.Join(accept, ","))
	ctx.SetContentType(format.ContentType())
	ctx.Response.SetBodyRaw(s.metricsPage(format))
	return nil
}

func (s *snapshot) metricsPage(format metrics.Format) []byte {
	last := s.pageSize.Load()
	p := metricsPage{metrics.NewPage(format, int(last+last/8))}
	status := s.currentStatus()
	counts := s.counts()
	p.process(&status, s.started)
	p.traffic(counts.Traffic)
	p.requests(&status.Requests)
	p.http2(&status.HTTP2)
	p.reasons("equalizer_failures", "Requests that failed, by the reason that the log has.", counts.Failures)
	p.reasons("equalizer_refused", "Requests and responses that were refused, by the rule that they broke.", counts.Refused)
	p.backends(s.sources.Backends())
	p.pools(s.balancerPools())
	p.limits(status.Limits)
	p.store(status.Store)
	p.shared(status.Shared)
	p.certificates(s.certificates())
	body := p.Bytes()
	s.pageSize.Store(int64(len(body)))
	return body
}

func (p *metricsPage) counter(name, help string, value int64) {
	p.Begin(name, metrics.Counter, help)
	p.Int(none, value)
}

func (p *metricsPage) gauge(name, help string, value int64) {
	p.Begin(name, metrics.Gauge, help)
	p.Int(none, value)
}

// moment writes a time. There is none before something has happened for the first time.
func (p *metricsPage) moment(name, help string, at time.Time) {
	if at.IsZero() {
		return
	}
	p.Begin(name, metrics.Gauge, help)
	p.Float(none, unixSeconds(at))
}

func unixSeconds(at time.Time) float64 { return float64(at.UnixMilli()) / 1000 }

func (p *metricsPage) process(s *Status, started time.Time) {
	p.Begin("equalizer_build", metrics.Info, "The version that runs.")
	p.Int(none.With("version", s.Version), 1)
	p.moment("process_start_time_seconds", "When the process started, in seconds since 1970.", started)
	p.gauge("equalizer_goroutines", "Goroutines that live now.", int64(s.Runtime.Goroutines))
	p.gauge("equalizer_heap_bytes", "Memory of all objects that live, or that were not swept yet.", int64(s.Runtime.HeapBytes))
	p.counter("equalizer_log_dropped", "Lines of the log that were dropped.", s.Log.Dropped)
	p.reloads(&s.Reloads, started)
}

// reloads tells of the start as of a first one.
func (p *metricsPage) reloads(r *ReloadsStatus, started time.Time) {
	p.Begin("equalizer_config_reloads", metrics.Counter, "Reloads of the configuration, by whether it came in force.")
	p.Int(none.With("result", "done"), r.Done)
	p.Int(none.With("result", "failed"), r.Failed)
	p.Begin("equalizer_config_last_reload_success", metrics.Gauge, "Whether the last configuration that was read came in force.")
	p.Bool(none, len(r.Mistakes) == 0)
	last := r.LastAt.Time
	if last.IsZero() {
		last = started
	}
	p.moment("equalizer_config_last_reload_timestamp_seconds", "When a configuration was last read, in seconds since 1970.", last)
}

// traffic writes what was counted of requests by route and pool.
func (p *metricsPage) traffic(all []Traffic) {
	labels := make([]metrics.Labels, len(all))
	for i := range all {
		labels[i] = none.With("route", all[i].Route).With("pool", all[i].Pool)
	}
	p.Begin("equalizer_requests", metrics.Counter, "Requests that have ended.")
	for i := range all {
		for _, r := range all[i].Requests {
			p.Int(labels[i].With("code", r.Code).With("method", r.Method), r.Count)
		}
	}
	p.Begin("equalizer_request_duration_seconds", metrics.Histogram,
		"How long requests took, from their first byte to the last one of the response, without tunnels.")
	for i := range all {
		for class := range all[i].Durations {
			p.Durations(labels[i].With("class", classes[class]), &all[i].Durations[class])
		}
	}
	p.Begin("equalizer_proxy_overhead_seconds", metrics.Histogram,
		"The part of it that was the proxy's own, of requests that a backend responded to: without waiting for the client, for a connection to the backend or for its response.")
	for i := range all {
		p.Durations(labels[i], &all[i].Overhead)
	}
}

// classes are those of status.
var classes = [...]string{"", "1xx", "2xx", "3xx", "4xx", "5xx"}

func (p *metricsPage) requests(r *RequestsStatus) {
	p.gauge("equalizer_requests_in_flight", "Requests that run now.", r.InFlight)
	p.gauge("equalizer_connections", "Clients' connections that are open.", r.Connections)
	p.gauge("equalizer_max_connections", "How many of them there may be; 0 is no bound.", r.MaxConnections)
	p.counter("equalizer_accept_pauses", "How often a client had to wait for another connection to close.", r.AcceptPauses)
	p.counter("equalizer_limited", "Requests that limits refused.", r.Limited)
	p.counter("equalizer_informational", "Interim responses and 101s that clients were sent.", r.Responses.Informational)
	p.counter("equalizer_bad_gateway", "Responses 502 of the proxy's own.", r.BadGateway)
	p.counter("equalizer_unavailable", "Responses 503 of the proxy's own.", r.Unavailable)
	p.counter("equalizer_gateway_timeout", "Responses 504 of the proxy's own.", r.GatewayTimeout)
	p.counter("equalizer_client_gone", "Requests whose client left before the response began.", r.ClientGone)
	p.counter("equalizer_too_slow", "Requests that were ended because their client was slower than the least rate.", r.TooSlow)
	p.counter("equalizer_mended", "Responses whose framing was corrected.", r.Mended)
	p.counter("equalizer_retries", "Requests that were sent once more.", r.Retries)
	p.counter("equalizer_cut", "Responses that ended too early.", r.Cut)
	p.counter("equalizer_panics", "Requests that ended in a panic.", r.Panics)
	p.counter("equalizer_failed_handshakes", "Clients whose TLS handshake failed.", r.FailedHandshakes)
	p.counter("equalizer_unintroduced", "Connections that were closed because nobody named their client by the PROXY protocol.", r.Unintroduced)
}

func (p *metricsPage) http2(h *HTTP2Status) {
	p.gauge("equalizer_http2_connections", "Clients' connections of HTTP/2 that are open.", h.Connections)
	p.gauge("equalizer_http2_running", "Requests of HTTP/2 that run now.", h.Running)
	p.gauge("equalizer_http2_waiting", "Requests of HTTP/2 that wait until fewer run.", h.Waiting)
	p.gauge("equalizer_http2_max_running", "How many may run; 0 is no bound.", h.MaxRunning)
	p.counter("equalizer_http2_reset", "Streams that clients have reset.", h.Reset)
	p.counter("equalizer_http2_refused", "Streams that were refused, since their client had as many as it may.", h.Refused)
	p.counter("equalizer_http2_calmed", "Connections of HTTP/2 that were ended for too many oddities.", h.Calmed)
	p.counter("equalizer_http2_faulty", "Connections of HTTP/2 that were ended for another error of their client's.", h.Faulty)
	p.Begin("equalizer_http2_oddities", metrics.Counter, "What clients of HTTP/2 did that is allowed and of no use.")
	for _, kind := range slices.Sorted(maps.Keys(h.Oddities)) {
		p.Int(none.With("kind", kind), h.Oddities[kind])
	}
}

func (p *metricsPage) reasons(name, help string, all []ReasonCount) {
	p.Begin(name, metrics.Counter, help)
	for _, r := range all {
		p.Int(none.With("reason", r.Reason), r.Count)
	}
}

func (p *metricsPage) backends(all []balancer.BackendStatus) {
	labels := make([]metrics.Labels, len(all))
	for i := range all {
		labels[i] = none.With("pool", all[i].Pool).With("backend", all[i].Name())
	}
	each := func(name string, kind metrics.Kind, help string, value func(*balancer.BackendStatus) int64) {
		p.Begin("equalizer_backend_"+name, kind, help)
		for i := range all {
			p.Int(labels[i], value(&all[i]))
		}
	}
	p.Begin("equalizer_backend_up", metrics.Gauge, "Whether its probes find it healthy.")
	for i := range all {
		p.Bool(labels[i], all[i].Healthy)
	}
	p.Begin("equalizer_backend_state", metrics.Gauge, "1 for the state that operators want it in.")
	for i := range all {
		p.Int(labels[i].With("state", string(all[i].State)), 1)
	}
	each("weight", metrics.Gauge, "Its share of the requests.", func(b *balancer.BackendStatus) int64 { return int64(b.Weight) })
	each("in_flight", metrics.Gauge, "Requests that it has now.", func(b *balancer.BackendStatus) int64 { return b.InFlight })
	each("max_in_flight", metrics.Gauge, "How many of them it may have; 0 is no bound.", func(b *balancer.BackendStatus) int64 { return b.MaxInFlight })
	each("requests", metrics.Counter, "Requests that were sent to it.", func(b *balancer.BackendStatus) int64 { return b.Requests })
	each("retries", metrics.Counter, "Attempts that followed one at it.", func(b *balancer.BackendStatus) int64 { return b.Retries })
	each("ejections", metrics.Counter, "How often it was left out for what its requests showed.", func(b *balancer.BackendStatus) int64 { return b.Ejections })
	p.Begin("equalizer_backend_ejected", metrics.Gauge, "Whether it is left out for that now.")
	for i := range all {
		p.Bool(labels[i], all[i].Ejected)
	}
	p.Begin("equalizer_backend_probes", metrics.Counter, "Its probes, by whether they found it healthy.")
	for i := range all {
		p.Int(labels[i].With("result", "succeeded"), all[i].Probes.Succeeded)
		p.Int(labels[i].With("result", "failed"), all[i].Probes.Failed)
	}
	p.Begin("equalizer_backend_probe_duration_seconds", metrics.Histogram, "How long its probes took, from the connect to the end of the response.")
	for i := range all {
		p.Durations(labels[i], &all[i].Probes.Durations)
	}
	p.Begin("equalizer_backend_failures", metrics.Counter, "Requests that it broke, by how it did.")
	for i := range all {
		for fault := balancer.Unreachable; fault <= balancer.Late; fault++ {
			p.Int(labels[i].With("reason", faultNames[fault]), all[i].Faults[fault])
		}
	}
	p.Begin("equalizer_backend_responses", metrics.Counter, "Its responses, by the class of their code.")
	for i := range all {
		for class := 1; class < len(classes); class++ {
			p.Int(labels[i].With("class", classes[class]), all[i].Responses[class])
		}
	}
	p.Begin("equalizer_backend_response_seconds", metrics.Histogram,
		"From the beginning of an attempt, with the connect, until the header of its response was there.")
	for i := range all {
		p.Durations(labels[i], &all[i].Latency)
	}
}

func (p *metricsPage) pools(all []balancer.PoolStatus) {
	labels := make([]metrics.Labels, len(all))
	for i := range all {
		labels[i] = none.With("pool", all[i].Name)
	}
	each := func(name string, kind metrics.Kind, help string, value func(*balancer.PoolStatus) int64) {
		p.Begin("equalizer_pool_"+name, kind, help)
		for i := range all {
			p.Int(labels[i], value(&all[i]))
		}
	}
	each("available", metrics.Gauge, "Backends that get requests now.", func(s *balancer.PoolStatus) int64 { return int64(s.Available) })
	each("in_flight", metrics.Gauge, "Requests that its backends have now.", func(s *balancer.PoolStatus) int64 { return s.InFlight })
	each("max_in_flight", metrics.Gauge, "How many they may have together; 0 is no bound.", func(s *balancer.PoolStatus) int64 { return s.MaxInFlight })
	each("queue_length", metrics.Gauge, "Requests that wait for a place now.", func(s *balancer.PoolStatus) int64 { return int64(s.Queue.Waiting) })
	each("queue_max", metrics.Gauge, "How many may wait.", func(s *balancer.PoolStatus) int64 { return int64(s.Queue.Length) })
	each("queue_timeouts", metrics.Counter, "Requests that waited too long.", func(s *balancer.PoolStatus) int64 { return s.Queue.TimedOut })
	each("queue_left", metrics.Counter, "Requests whose clients left while they waited.", func(s *balancer.PoolStatus) int64 { return s.Queue.Left })
	p.Begin("equalizer_pool_queue_refused", metrics.Counter, "Requests for which the queue was full, by the priority of their routes.")
	for i := range all {
		for rank, priority := range balancer.Priorities {
			p.Int(labels[i].With("priority", string(priority)), all[i].Queue.Refused[rank])
		}
	}
	p.Begin("equalizer_pool_queue_wait_seconds", metrics.Histogram, "How long requests waited that got a place.")
	for i := range all {
		p.Durations(labels[i], &all[i].Queue.Waits)
	}
}

// faultNames are the ways in which backends break requests.
var faultNames = [...]string{balancer.Unreachable: "unreachable", balancer.Broke: "broke", balancer.Late: "late"}

// limits writes what limits said, and how many buckets they have.
func (p *metricsPage) limits(all []LimitStatus) {
	labels := make([]metrics.Labels, len(all))
	for i := range all {
		labels[i] = none.With("limit", all[i].Name)
	}
	p.Begin("equalizer_limit_takes", metrics.Counter, "What limits said to requests.")
	for i := range all {
		p.Int(labels[i].With("result", "allowed"), all[i].Allowed)
		p.Int(labels[i].With("result", "limited"), all[i].Limited)
		p.Int(labels[i].With("result", "overflow"), all[i].Overflow)
		p.Int(labels[i].With("result", "exempt"), all[i].Exempt)
	}
	each := func(name string, kind metrics.Kind, help string, value func(*LimitStatus) int64) {
		p.Begin(name, kind, help)
		for i := range all {
			p.Int(labels[i], value(&all[i]))
		}
	}
	each("equalizer_limit_near", metrics.Counter, "Requests that passed and left less than a fifth of their bucket.", func(l *LimitStatus) int64 { return l.Near })
	each("equalizer_limit_overflow_takes", metrics.Counter, "Requests that found no room for a bucket of their own.", func(l *LimitStatus) int64 { return l.OverflowTakes })
	each("equalizer_buckets", metrics.Gauge, "Buckets in memory.", func(l *LimitStatus) int64 { return l.Count })
	each("equalizer_buckets_managed", metrics.Gauge, "Those of them that an operator wrote.", func(l *LimitStatus) int64 { return l.Managed })
	each("equalizer_buckets_max", metrics.Gauge, "How many there may be.", func(l *LimitStatus) int64 { return l.Max })
	each("equalizer_buckets_dirty", metrics.Gauge, "Those with spending that is not stored yet.", func(l *LimitStatus) int64 { return l.Dirty })
}

func (p *metricsPage) store(s *StoreStatus) {
	if s == nil { // Nothing is limited.
		return
	}
	p.Begin("equalizer_store_up", metrics.Gauge, "Whether the last call to the store succeeded.")
	p.Bool(none.With("driver", s.Driver), s.Up)
	p.counter("equalizer_store_flushes", "Flushes that stored all that was dirty when they began.", s.Flushes)
	p.counter("equalizer_store_flush_errors", "Flushes that failed.", s.FlushErrors)
	p.counter("equalizer_store_flush_overruns", "Flushes that took longer than their interval.", s.FlushOverruns)
	p.moment("equalizer_store_last_flush_timestamp_seconds", "When the last flush ended, in seconds since 1970.", s.LastFlush.Time)
	p.gauge("equalizer_store_dirty", "Buckets with spending that is not stored yet.", s.Dirty)
	p.Begin("equalizer_store_lag_seconds", metrics.Gauge, "How long the oldest of that spending has waited.")
	p.Float(none, s.LagSeconds)
}

func (p *metricsPage) shared(s *SharedStatus) {
	if s == nil {
		return
	}
	p.gauge("equalizer_replicas_alive", "Processes that shared the buckets at the last round, this one included.", int64(s.Alive))
	p.Begin("equalizer_lease_cut_off", metrics.Gauge, "Whether this process may not spend what it holds, as it has been without the store for too long.")
	p.Bool(none, s.CutOff)
	p.Begin("equalizer_lease_spend_seconds", metrics.Gauge, "For how long it may, if no other round succeeds.")
	p.Float(none, s.SpendSeconds)
	p.Begin("equalizer_lease_rounds", metrics.Counter, "Rounds in which this process asked for tokens, by whether the store took part.")
	p.Int(none.With("result", "done"), s.Rounds)
	p.Int(none.With("result", "failed"), s.FailedRounds)
	p.counter("equalizer_lease_late_rounds", "Those that were done, and ended more than an interval after they were due.", s.LateRounds)
	p.counter("equalizer_lease_expulsions", "How often the others gave this process up.", s.Expulsions)
	p.gauge("equalizer_lease_tokens_held", "Tokens that this process may spend.", s.Held)
	p.gauge("equalizer_leases", "Clients whose tokens those are.", s.Leases)
	p.Begin("equalizer_lease_waits", metrics.Counter, "Requests that waited for the store, by whether it replied in time.")
	p.Int(none.With("result", "replied"), max(0, s.Waits-s.WaitsInVain))
	p.Int(none.With("result", "in_vain"), s.WaitsInVain)
}

// certificates writes until when those are good that there are. A renewed one keeps its labels.
func (p *metricsPage) certificates(all []Certificate) {
	p.Begin("equalizer_tls_certs_not_after", metrics.Gauge, "Until when a certificate is good, in seconds since 1970.")
	written := map[metrics.Labels]bool{}
	for _, c := range all {
		if c.ACME {
			c.Cert = "acme"
		}
		l := none.With("names", strings.Join(c.Names, ",")).With("cert", c.Cert).With("key", c.Key)
		if c.NotAfter.IsZero() || written[l] {
			continue
		}
		written[l] = true
		p.Float(l, unixSeconds(c.NotAfter.Time))
	}
}
