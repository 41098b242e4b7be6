package api

import (
	"time"

	"github.com/valyala/fasthttp"
)

// Status is the response to GET /status. Counters count from the start of the process.
type Status struct {
	// The Server fills in Version, UptimeSeconds, Limit, Shared and Pools. Limit is the name of the
	// only limit, null if there is none, or several.
	Version       string  `json:"version"`
	UptimeSeconds float64 `json:"uptime_seconds"`
	Limit         *string `json:"limit"`
	// Store and Buckets are null if nothing is limited.
	Store   *StoreStatus   `json:"store"`
	Buckets *BucketsStatus `json:"buckets"`
	// Shared is null if this process shares its buckets with no other one.
	Shared *SharedStatus `json:"shared"`
	// Limits are what Buckets has, by limit. GET /limits has their settings.
	Limits []LimitStatus `json:"limits"`
	// Pools are in the order of their names.
	Pools    []PoolStatus   `json:"pools"`
	Requests RequestsStatus `json:"requests"`
	HTTP2    HTTP2Status    `json:"http2"`
	Reloads  ReloadsStatus  `json:"reloads"`
	Log      LogStatus      `json:"log"`
	Runtime  RuntimeStatus  `json:"runtime"`
}

// StoreStatus is how the store and the write-behind are.
type StoreStatus struct {
	// Driver is "bolt", "postgres" or "memory".
	Driver string `json:"driver"`
	// Up reports whether the last call to the store succeeded. If not, Error is its error, else "".
	Up    bool   `json:"up"`
	Error string `json:"error"`
	// Flushes counts those that stored all that was dirty when they began, FlushErrors those that
	// failed, FlushOverruns those that took longer than their interval.
	Flushes       int64 `json:"flushes"`
	FlushErrors   int64 `json:"flush_errors"`
	FlushOverruns int64 `json:"flush_overruns"`
	// LastFlush is when the last of Flushes ended; null before the first.
	LastFlush Moment `json:"last_flush"`
	// Dirty counts the buckets with spending that isn't stored yet.
	Dirty int64 `json:"dirty"`
	// LagSeconds is how long the oldest of that spending has waited; 0 if there is none.
	LagSeconds float64 `json:"lag_seconds"`
}

// BucketsStatus is how full the tables of buckets are.
type BucketsStatus struct {
	// Count is how many are in memory, and Managed how many of them an operator wrote.
	Count   int64 `json:"count"`
	Managed int64 `json:"managed"`
	// Max is max_buckets. OverflowTakes counts the requests that shared a bucket past it.
	Max           int64 `json:"max"`
	OverflowTakes int64 `json:"overflow_takes"`
}

// LimitStatus is how full the table of one limit is, and what it says to requests.
type LimitStatus struct {
	Name string `json:"name"`
	BucketsStatus
	// Dirty counts the buckets with spending that isn't stored yet.
	Dirty int64 `json:"dirty"`
	TakesStatus
}

// TakesStatus is what one limit said to requests.
type TakesStatus struct {
	// Allowed counts those that it let pass, except those of Overflow, which shared a bucket
	// because there was no room for one of their own. Limited counts those that it was a reason to
	// refuse, and Exempt those that it didn't count. A request that another limit refused is none
	// of these.
	Allowed  int64 `json:"allowed"`
	Limited  int64 `json:"limited"`
	Overflow int64 `json:"overflow"`
	Exempt   int64 `json:"exempt"`
	// Near counts those of Allowed and Overflow after which less than a fifth of the bucket was
	// left.
	Near int64 `json:"near"`
}

// RequestsStatus is what the data path did.
type RequestsStatus struct {
	// Total counts the requests that began, and InFlight those that run now.
	Total    int64 `json:"total"`
	InFlight int64 `json:"in_flight"`
	// Connections counts the clients' open connections.
	Connections int64 `json:"connections"`
	// MaxConnections bounds them; 0 is no bound. AcceptPauses counts how often a client had to wait
	// until another connection closed.
	MaxConnections int64 `json:"max_connections"`
	AcceptPauses   int64 `json:"accept_pauses"`
	// Allowed counts the requests that the limit let pass, or all if nothing is limited. Limited
	// counts those that got a 429.
	Allowed int64 `json:"allowed"`
	Limited int64 `json:"limited"`
	// Responses counts what clients were sent.
	Responses ResponsesStatus `json:"responses"`
	// BadGateway, Unavailable and GatewayTimeout count our own 502, 503 and 504.
	BadGateway     int64 `json:"bad_gateway"`
	Unavailable    int64 `json:"unavailable"`
	GatewayTimeout int64 `json:"gateway_timeout"`
	// ClientGone counts the requests whose client left before the response began.
	ClientGone int64 `json:"client_gone"`
	// TooSlow counts the requests that were ended because their client sent or took bytes slower
	// than the least rate.
	TooSlow int64 `json:"too_slow"`
	// Mended counts the responses whose framing was corrected, such as a doubled Transfer-Encoding:
	// chunked.
	Mended int64 `json:"mended"`
	// Retries counts the requests that were sent to a second backend or connection, Cut the
	// responses that ended too early, and Panics the requests that ended in one.
	Retries int64 `json:"retries"`
	Cut     int64 `json:"cut"`
	Panics  int64 `json:"panics"`
	// FailedHandshakes counts the clients whose TLS handshake failed.
	FailedHandshakes int64 `json:"failed_handshakes"`
	// Unintroduced counts the connections that were closed because their peer named no client by
	// the PROXY protocol, where it must, or isn't one that may.
	Unintroduced int64 `json:"unintroduced"`
}

// HTTP2Status is what clients of HTTP/2 do. Their requests are among those of RequestsStatus.
type HTTP2Status struct {
	// Connections counts those that are open.
	Connections int64 `json:"connections"`
	// Running counts the requests that run now, and Waiting those that wait until fewer than
	// MaxRunning do, 0 being no bound, or until the processors are less busy.
	Running    int64 `json:"running"`
	Waiting    int64 `json:"waiting"`
	MaxRunning int64 `json:"max_running"`
	// Reset counts the streams that clients have reset, and Refused those that were refused, since
	// their client had as many as it may.
	Reset   int64 `json:"reset"`
	Refused int64 `json:"refused"`
	// Oddities counts what is allowed and of no use, by its name, such as "ping".
	Oddities map[string]int64 `json:"oddities"`
	// Calmed counts the connections that were ended for too much of that, and Faulty those that
	// were ended for another error of their client's.
	Calmed int64 `json:"calmed"`
	Faulty int64 `json:"faulty"`
}

// ResponsesStatus counts responses by class of status.
type ResponsesStatus struct {
	// Informational counts interim responses, which come before the final one, and each 101.
	Informational int64 `json:"1xx"`
	Successful    int64 `json:"2xx"`
	Redirection   int64 `json:"3xx"`
	// ClientError also counts the requests whose client left before the response.
	ClientError int64 `json:"4xx"`
	ServerError int64 `json:"5xx"`
}

// ReloadsStatus is how reloads of the configuration went.
type ReloadsStatus struct {
	// Done counts those whose configuration came in force, Failed those that changed nothing.
	Done   int64 `json:"done"`
	Failed int64 `json:"failed"`
	// LastAt is when the last one ended; null before the first.
	LastAt Moment `json:"last_at"`
	// Mistakes are why the last one failed, a line each; none if it didn't.
	Mistakes []string `json:"mistakes"`
	// Changes are what the last of Done changed, as many as there is room for, and MoreChanges how
	// many there are besides.
	Changes     []Difference `json:"changes"`
	MoreChanges int          `json:"more_changes"`
}

// LogStatus tells whether the log reaches its reader.
type LogStatus struct {
	// Dropped counts the lines that could not be written, and those for which there was no room
	// meanwhile.
	Dropped int64 `json:"dropped"`
	// Error is why the last line could not be written; "" if it was.
	Error string `json:"error"`
}

// RuntimeStatus is what the process holds. Under a steady load neither figure should keep growing.
type RuntimeStatus struct {
	// Goroutines counts those that live now.
	Goroutines int `json:"goroutines"`
	// HeapBytes is the memory of all live objects, and of dead ones that weren't swept yet.
	HeapBytes uint64 `json:"heap_bytes"`
}

func (s *snapshot) status(ctx *fasthttp.RequestCtx) error {
	return writeJSON(ctx, fasthttp.StatusOK, s.currentStatus())
}

// currentStatus is the sources' status, with what the Server fills in.
func (s *snapshot) currentStatus() Status {
	status := s.sources.Status()
	status.Version = s.settings.Version
	status.UptimeSeconds = time.Since(s.started).Round(time.Millisecond).Seconds()
	if len(s.sources.Limits) == 1 {
		status.Limit = &s.sources.Limits[0].Name
	}
	if status.Limits == nil {
		status.Limits = []LimitStatus{} // [] in JSON, and not null
	}
	status.Shared = s.shared()
	status.Pools = s.pools()
	if status.HTTP2.Oddities == nil {
		status.HTTP2.Oddities = map[string]int64{}
	}
	if status.Reloads.Mistakes == nil {
		status.Reloads.Mistakes = []string{}
	}
	if status.Reloads.Changes == nil {
		status.Reloads.Changes = []Difference{}
	}
	return status
}
