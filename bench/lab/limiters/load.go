//go:build linux

package main

import (
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// The load has loadConnections, and each sends its next request when it is due. The rate leaves two
// cores most of their time, since a collection may take a quarter of it. A machine that is busy
// without it would show queues, not pauses.
const (
	loadConnections = 16
	loadRate        = 1000 // requests a second
)

// loadRequest is a task for the load's process.
type loadRequest struct {
	Address string
	For     time.Duration
}

// loadResult counts from when a request was due.
type loadResult struct {
	Failed    int64
	Latencies histogram
}

// serveLoad is the process that sends requests, and that has the backend.
func serveLoad(in io.Reader, out io.Writer) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	backend := fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) { ctx.SetBodyString("hello") }}
	go func() { _ = backend.Serve(ln) }() // ends with the process
	clients := map[string]*fasthttp.HostClient{}
	return respond(ln.Addr().String(), in, out, func(r loadRequest) loadResult {
		if clients[r.Address] == nil { // its connections are kept from turn to turn
			clients[r.Address] = &fasthttp.HostClient{Addr: r.Address, MaxConns: loadConnections, MaxIdleConnDuration: time.Hour}
		}
		return send(clients[r.Address], r.For)
	})
}

// send runs one turn of requests.
func send(client *fasthttp.HostClient, d time.Duration) (sum loadResult) {
	var (
		all sync.WaitGroup
		mu  sync.Mutex
	)
	start := time.Now().Add(100 * time.Millisecond)
	for n := range loadConnections {
		all.Go(func() {
			h, bad := connection(client, n, start, start.Add(d))
			mu.Lock()
			defer mu.Unlock()
			sum.Latencies.merge(h)
			sum.Failed += bad
		})
	}
	all.Wait()
	return sum
}

// connection sends its share of the requests, each at its time or, if the one before it is late,
// right after it.
func connection(client *fasthttp.HostClient, n int, start, end time.Time) (h *histogram, failed int64) {
	h = &histogram{}
	var request fasthttp.Request
	var response fasthttp.Response
	request.SetRequestURI("http://" + client.Addr + "/")
	request.Header.Set("X-Client", fmt.Sprintf("connection-%d", n))
	const every = time.Second * loadConnections / loadRate
	for due := start.Add(time.Second * time.Duration(n) / loadRate); due.Before(end); due = due.Add(every) {
		time.Sleep(time.Until(due))
		if err := client.Do(&request, &response); err != nil || response.StatusCode() != fasthttp.StatusOK {
			failed++
		}
		h.add(time.Since(due))
	}
	return h, failed
}
