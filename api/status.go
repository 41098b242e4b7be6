package api

import (
	"time"

	"github.com/valyala/fasthttp"
)

// Status is what GET /status says. Counters count since the start of the process.
type Status struct {
	// Version, UptimeSeconds and Limit are the Server's to fill. Limit is the name of the limit,
	// null where nothing is limited.
	Version       string  `json:"version"`
	UptimeSeconds float64 `json:"uptime_seconds"`
	Limit         *string `json:"limit"`
	// Store and Buckets are null where nothing is limited.
	Store    *StoreStatus   `json:"store"`
	Buckets  *BucketsStatus `json:"buckets"`
	Requests RequestsStatus `json:"requests"`
	Log      LogStatus      `json:"log"`
	Runtime  RuntimeStatus  `json:"runtime"`
}

// StoreStatus is how the store and the write-behind are.
type StoreStatus struct {
	// Driver is "bolt", "postgres" or "memory".
	Driver string `json:"driver"`
	// Up reports whether the last call to the store succeeded; Error is what it said if not, else
	// "".
	Up    bool   `json:"up"`
	Error string `json:"error"`
	// Flushes counts those that stored all that was dirty when they began, FlushErrors those that
	// failed, FlushOverruns those that took longer than their interval.
	Flushes       int64 `json:"flushes"`
	FlushErrors   int64 `json:"flush_errors"`
	FlushOverruns int64 `json:"flush_overruns"`
	// LastFlush is when the last of Flushes ended, null before the first.
	LastFlush Moment `json:"last_flush"`
	// Dirty counts the buckets with spending that isn't stored yet.
	Dirty int64 `json:"dirty"`
	// LagSeconds is for how long the oldest of that spending has waited; 0 when there is none.
	LagSeconds float64 `json:"lag_seconds"`
}

// BucketsStatus is how full the table of buckets is.
type BucketsStatus struct {
	// Count is how many are in memory, Managed how many of them an operator wrote.
	Count   int64 `json:"count"`
	Managed int64 `json:"managed"`
	// Max is max_buckets; OverflowTakes counts the requests that shared a bucket past it.
	Max           int64 `json:"max"`
	OverflowTakes int64 `json:"overflow_takes"`
}

// RequestsStatus is what the data path did.
type RequestsStatus struct {
	// Total counts the requests that began, InFlight those that run now.
	Total    int64 `json:"total"`
	InFlight int64 `json:"in_flight"`
	// Connections counts the clients' open connections.
	Connections int64 `json:"connections"`
	// MaxConnections bounds them, 0 if nothing does. AcceptPauses counts how often a client had to
	// wait until another one's connection closed.
	MaxConnections int64 `json:"max_connections"`
	AcceptPauses   int64 `json:"accept_pauses"`
	// Allowed counts the requests that the limit let pass, or all where nothing is limited;
	// Limited those that got a 429.
	Allowed int64 `json:"allowed"`
	Limited int64 `json:"limited"`
	// Responses counts by class of status what clients were sent.
	Responses ResponsesStatus `json:"responses"`
	// BadGateway, Unavailable and GatewayTimeout count our own 502, 503 and 504.
	BadGateway     int64 `json:"bad_gateway"`
	Unavailable    int64 `json:"unavailable"`
	GatewayTimeout int64 `json:"gateway_timeout"`
	// ClientGone counts the requests whose client went away before the response began.
	ClientGone int64 `json:"client_gone"`
	// TooSlow counts the requests that were broken off because their client sent or took bytes at
	// less than the least rate.
	TooSlow int64 `json:"too_slow"`
	// Mended counts the responses that were framed anew because the backend's framing was odd, such
	// as with Transfer-Encoding: chunked twice.
	Mended int64 `json:"mended"`
	// Retries counts the requests that were sent to a second backend or connection, Cut the
	// responses that ended early after they had begun, Panics the requests that ended in one.
	Retries int64 `json:"retries"`
	Cut     int64 `json:"cut"`
	Panics  int64 `json:"panics"`
}

// ResponsesStatus counts responses by class of status.
type ResponsesStatus struct {
	// Informational counts interim responses, which come before the one that ends a request, and
	// each 101.
	Informational int64 `json:"1xx"`
	Successful    int64 `json:"2xx"`
	Redirection   int64 `json:"3xx"`
	// ClientError counts the requests whose client went away before the response, too.
	ClientError int64 `json:"4xx"`
	ServerError int64 `json:"5xx"`
}

// LogStatus is whether the log reaches its reader.
type LogStatus struct {
	// Dropped counts the lines that found no room while nothing could be written, and those that
	// could not be written.
	Dropped int64 `json:"dropped"`
	// Error is why the last line could not be written, "" if it could.
	Error string `json:"error"`
}

// RuntimeStatus is what the process holds: neither should grow while what it does stays the same.
type RuntimeStatus struct {
	// Goroutines counts those that live now.
	Goroutines int `json:"goroutines"`
	// HeapBytes is the memory of all objects that live, and of those that are dead and not yet
	// swept.
	HeapBytes uint64 `json:"heap_bytes"`
}

func (s *Server) status(ctx *fasthttp.RequestCtx) error {
	status := s.sources.Status()
	status.Version = s.settings.Version
	status.UptimeSeconds = time.Since(s.started).Round(time.Millisecond).Seconds()
	if s.settings.Limit != "" {
		status.Limit = &s.settings.Limit
	}
	return writeJSON(ctx, fasthttp.StatusOK, status)
}
