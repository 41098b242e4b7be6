package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// loadArgument makes this program the child that sends requests and answers them.
const loadArgument = "load"

// The load: so many connections, each of which sends its next request when it is due. The rate leaves two cores most of
// their time, since a collection may take a quarter of it: a machine that is full without it tells of queues, not of pauses.
const (
	loadConnections = 16
	loadRate        = 1000 // requests a second
)

// loadRequest is what the child is to do: a line of JSON.
type loadRequest struct {
	Address string
	For     time.Duration
}

// loadResult is a line of JSON from the child. Latencies are in milliseconds, from when a request was due.
type loadResult struct {
	Requests, Failed           int64
	P50, P99, P999, P9999, Max float64
}

// load is the child, as its parent sees it.
type load struct {
	backend string
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Scanner
}

func startLoad() (*load, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	l := &load{cmd: exec.Command(self, loadArgument)}
	l.cmd.Stderr = os.Stderr
	l.cmd.Env = append(os.Environ(), loadVariable+"=1")
	if l.in, err = l.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := l.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	l.out = bufio.NewScanner(out)
	if err := l.cmd.Start(); err != nil {
		return nil, err
	}
	if !l.out.Scan() {
		l.stop()
		return nil, fmt.Errorf("the load's process said nothing: %w", l.out.Err())
	}
	l.backend = l.out.Text()
	return l, nil
}

// loadVariable does for tests, whose binary has arguments of its own, what loadArgument does.
const loadVariable = "LIMITERS_LOAD"

func (l *load) run(address string, d time.Duration) (loadResult, error) {
	if err := json.NewEncoder(l.in).Encode(loadRequest{address, d}); err != nil {
		return loadResult{}, err
	}
	if !l.out.Scan() {
		return loadResult{}, fmt.Errorf("the load's process ended: %w", l.out.Err())
	}
	var r loadResult
	if err := json.Unmarshal(l.out.Bytes(), &r); err != nil {
		return r, err
	}
	if r.Failed > 0 || r.Requests == 0 {
		return r, fmt.Errorf("%d of %d requests failed", r.Failed, r.Requests)
	}
	return r, nil
}

// stop ends the child, which ends with its input.
func (l *load) stop() {
	_ = l.in.Close()
	_ = l.cmd.Wait() // how it ends changes no figure
}

// serveLoad is the child's main.
func serveLoad(in io.Reader, out io.Writer) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	backend := fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) { ctx.SetBodyString("hello") }}
	go func() { _ = backend.Serve(ln) }() // ends with the process
	fmt.Fprintln(out, ln.Addr())
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var r loadRequest
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return err
		}
		if err := json.NewEncoder(out).Encode(send(r)); err != nil {
			return err
		}
	}
	return nil
}

// send is one window of requests.
func send(r loadRequest) loadResult {
	client := &fasthttp.HostClient{Addr: r.Address, MaxConns: loadConnections}
	defer client.CloseIdleConnections()
	var (
		all    sync.WaitGroup
		mu     sync.Mutex
		sum    histogram
		failed int64
	)
	start := time.Now().Add(100 * time.Millisecond)
	for n := range loadConnections {
		all.Go(func() {
			h, bad := connection(client, n, start, start.Add(r.For))
			mu.Lock()
			defer mu.Unlock()
			sum.merge(h)
			failed += bad
		})
	}
	all.Wait()
	at := func(q float64) float64 { return milliseconds(sum.quantile(q)) }
	return loadResult{sum.total, failed, at(0.5), at(0.99), at(0.999), at(0.9999), milliseconds(sum.longest)}
}

// connection sends its share of the requests, each at its time or, if the one before it is late, right after that.
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
