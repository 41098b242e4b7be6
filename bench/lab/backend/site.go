package main

import (
	"bytes"
	"encoding/json"
	"sync/atomic"

	"github.com/valyala/fasthttp"
)

// Counts are the load's requests that each backend got since it started. A request counts before
// its response. Probes and requests for /head don't count.
type Counts struct {
	Requests []int64 `json:"requests"`
}

// site is one backend. Its counter has a cache line of its own.
type site struct {
	requests atomic.Int64
	_        [56]byte
}

// newBodies makes the bodies by path. The whole small response has 118 bytes, including its head.
func newBodies() map[string][]byte {
	body := func(size int) []byte { return bytes.Repeat([]byte("0123456789abcdef"), size/16) }
	return map[string][]byte{"/small": body(16), "/10k": body(10 << 10), "/1m": body(1 << 20)}
}

// handler serves the paths of the load, and /health for probes. It responds to /head with the head
// of the request as it came, which shows what a proxy has made of it.
func (s *site) handler(bodies map[string][]byte) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		ctx.SetContentType("text/plain")
		body, load := bodies[string(ctx.Path())]
		switch {
		case load:
			s.requests.Add(1)
			ctx.Response.SetBodyRaw(body)
		case string(ctx.Path()) == "/head":
			ctx.SetBody(ctx.Request.Header.Header())
		case string(ctx.Path()) != "/health":
			ctx.SetStatusCode(fasthttp.StatusNotFound)
		}
	}
}

// counts responds to every request with the Counts.
func counts(sites []site) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		var c Counts
		for i := range sites {
			c.Requests = append(c.Requests, sites[i].requests.Load())
		}
		_ = json.NewEncoder(ctx).Encode(c) // into memory
	}
}
