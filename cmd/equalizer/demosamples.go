package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// ports finds ports for the demo.
type ports struct {
	moved []string // a sentence for each port that was in use
}

// listen listens on the address, or on another port if that one is in use.
func (p *ports) listen(address string) (net.Listener, error) {
	ln, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		host, _, _ := net.SplitHostPort(address)
		if ln, err = net.Listen("tcp", net.JoinHostPort(host, "0")); err == nil {
			p.moved = append(p.moved, fmt.Sprintf("%s is in use by another program, so %v was taken", address, ln.Addr()))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("find a port for the demo: %w", err)
	}
	return ln, nil
}

// samples are the demo's backends.
type samples struct {
	listeners []net.Listener
	servers   []*fasthttp.Server
	serving   sync.WaitGroup
}

// startSamples starts n of them. With traffic the last one is unwell now and then.
func startSamples(n int, ports *ports, traffic bool) (*samples, error) {
	s := &samples{}
	for i := range n {
		ln, err := ports.listen(net.JoinHostPort("127.0.0.1", strconv.Itoa(firstDemoPort+i)))
		if err != nil {
			s.stop()
			return nil, err
		}
		handler := sampleHandler(i+1, ln.Addr().String())
		if traffic && i == n-1 {
			handler = unwell(handler, time.Now())
		}
		server := &fasthttp.Server{Handler: handler, Name: "sample", Logger: silent{}}
		s.listeners = append(s.listeners, ln)
		s.servers = append(s.servers, server)
		s.serving.Go(func() { _ = server.Serve(ln) }) // It ends at stop.
	}
	return s, nil
}

// sampleHandler responds with the number of the backend and with what it was asked.
func sampleHandler(number int, address string) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		time.Sleep(workFor(string(ctx.Path())))
		fmt.Fprintf(ctx, "backend %d at %s: %s %s for %s\n", number, address,
			ctx.Method(), ctx.RequestURI(), ctx.Request.Header.Peek("X-Forwarded-For"))
	}
}

// unwell is a handler that fails for a part of the time since started.
func unwell(handler fasthttp.RequestHandler, started time.Time) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		if isUnwell(time.Since(started)) {
			ctx.Error("out of memory\n", fasthttp.StatusServiceUnavailable)
			return
		}
		handler(ctx)
	}
}

func (s *samples) urls() []string {
	var urls []string
	for _, ln := range s.listeners {
		urls = append(urls, "http://"+ln.Addr().String())
	}
	return urls
}

func (s *samples) stop() {
	for _, server := range s.servers {
		_ = server.Shutdown() // It closes the listeners. The proxy's connections are closed by then.
	}
	s.serving.Wait()
}

// silent is a fasthttp logger that drops everything.
type silent struct{}

func (silent) Printf(string, ...any) {}
