package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"github.com/valyala/fasthttp"
)

const (
	maxBody      = 64 << 10
	maxHeader    = 8 << 10
	maxConns     = 1024
	readTimeout  = 10 * time.Second // of a whole request
	idleTimeout  = 60 * time.Second
	writeTimeout = 30 * time.Second // of a whole response
)

// Server serves the admin API.
type Server struct {
	log     zerolog.Logger
	started time.Time
	current atomic.Pointer[snapshot]
	sampler sampler
	tails   atomic.Int64
	http    *fasthttp.Server

	mu        sync.Mutex
	listeners map[*patientListener]struct{}
	conns     map[net.Conn]fasthttp.ConnState
	stopped   bool
	// outdate ends the current snapshot's streams. sampling ends the taking of samples; nil before
	// it begins.
	outdate, sampling context.CancelFunc
}

// New makes a Server. The caller calls Serve, and Shutdown in the end.
func New(settings Settings, sources Sources, log zerolog.Logger) *Server {
	s := &Server{
		log: log, started: time.Now(),
		listeners: make(map[*patientListener]struct{}), conns: make(map[net.Conn]fasthttp.ConnState),
	}
	s.Configure(settings, sources)
	s.http = &fasthttp.Server{
		Handler:                      func(ctx *fasthttp.RequestCtx) { s.current.Load().handle(ctx) },
		ErrorHandler:                 func(ctx *fasthttp.RequestCtx, err error) { s.current.Load().malformed(ctx, err) },
		ConnState:                    s.track,
		ReadTimeout:                  readTimeout,
		IdleTimeout:                  idleTimeout,
		WriteTimeout:                 writeTimeout,
		MaxRequestBodySize:           maxBody,
		ReadBufferSize:               maxHeader,
		Concurrency:                  maxConns,
		DisablePreParseMultipartForm: true,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		SecureErrorLogMessage:        true,
		CloseOnShutdown:              true,
		Logger:                       &s.log,
	}
	return s
}

// Configure replaces the settings and the sources for all requests that begin from now on, also
// those of open connections. It may be called at any time.
func (s *Server) Configure(settings Settings, sources Sources) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ended, outdate := context.WithCancel(context.Background())
	s.current.Store(newSnapshot(ended, s, settings, sources))
	if s.outdate != nil {
		s.outdate()
	}
	s.outdate = outdate
}

// Serve serves a listener until Shutdown, or until its owner closes it, and returns nil.
// Connections outlive a listener that its owner closed. A listener that [Settings.CheckListener]
// refuses is closed. Any number of listeners may be served.
func (s *Server) Serve(ln net.Listener) error {
	if err := s.current.Load().settings.CheckListener(ln.Addr()); err != nil {
		return errors.Join(err, ln.Close())
	}
	patient := newPatientListener(ln, s.secure)
	if s.admit(patient) {
		s.beginSampling()
		defer s.forget(patient)
		return s.http.Serve(patient)
	}
	return patient.Close()
}

// admit adds a listener to those that are closed at the stop. It reports false if that has begun.
func (s *Server) admit(ln *patientListener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.listeners[ln] = struct{}{}
	}
	return !s.stopped
}

func (s *Server) forget(ln *patientListener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, ln)
}

// StopAccepting closes the listeners. Connections go on until Shutdown, but there are no new ones.
// It may be called before Serve, and more than once.
func (s *Server) StopAccepting() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	s.hurrySilent()
	var errs []error
	for ln := range s.listeners {
		if err := ln.Close(); err != nil {
			errs = append(errs, fmt.Errorf("closing the admin listener: %w", err))
		}
	}
	return errors.Join(errs...)
}

// Shutdown stops accepting and waits for the calls that run. If ctx ends first it closes the
// connections that are left, and its error has their number.
func (s *Server) Shutdown(ctx context.Context) error {
	closing := s.StopAccepting()
	s.endStreams()
	// fasthttp returns the error of closing the listener, which closing is, or the context's.
	if err := s.http.ShutdownWithContext(ctx); err != nil && ctx.Err() != nil {
		return fmt.Errorf("admin API: %w, and connections were cut: %d", err, s.cut())
	}
	return closing
}

// beginSampling begins to take samples, unless it has begun, or the streams were ended.
func (s *Server) beginSampling() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sampling != nil {
		return
	}
	ctx, end := context.WithCancel(context.Background())
	s.sampling = end
	go s.sample(ctx)
}

// endStreams ends the streams of events, which nothing else would.
func (s *Server) endStreams() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outdate()
	if s.sampling != nil {
		s.sampling()
	}
}

// hurrySilent ends the wait for connections that have sent nothing, on which fasthttp would wait
// for some seconds. It doesn't close them, so a request that was sent just now is still served.
func (s *Server) hurrySilent() {
	for conn, state := range s.conns {
		if state == fasthttp.StateNew {
			_ = conn.SetReadDeadline(time.Unix(1, 0)) // If it can't be set, fasthttp's wait ends it.
		}
	}
}

// cut closes every connection, and returns how many there were.
func (s *Server) cut() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		_ = conn.Close() // It is given up, whatever the error.
	}
	return len(s.conns)
}

// track keeps conns to the connections that are open.
func (s *Server) track(conn net.Conn, state fasthttp.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state == fasthttp.StateClosed {
		delete(s.conns, conn)
		return
	}
	s.conns[conn] = state
}
