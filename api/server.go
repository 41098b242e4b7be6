package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/valyala/fasthttp"

	"gopher-equalizer/balancer"
)

const (
	maxBody      = 64 << 10
	maxHeader    = 8 << 10
	maxConns     = 1024
	readTimeout  = 10 * time.Second // of a whole request
	idleTimeout  = 60 * time.Second
	writeTimeout = 30 * time.Second // of a whole response
)

// Settings are those of the admin API.
type Settings struct {
	// Token is the bearer token that callers need. With "" whoever reaches a loopback address of
	// this machine gets in.
	Token string
	// Version is the process's, for GET /status.
	Version string
	// WriteTimeout is the deadline of an admin write, store.timeout. It must be above 0.
	WriteTimeout time.Duration
}

// Sources are what the API serves. Any number of goroutines may call them at the same time.
type Sources struct {
	// Reader and Writer are the limiter. If nothing is limited both are nil interfaces, and calls
	// about buckets are 409.
	Reader BucketReader
	Writer BucketWriter
	// Limits are those that the Reader and the Writer know, by name; none if nothing is limited.
	Limits []Limit
	// Backends returns those of all pools.
	Backends func() []balancer.BackendStatus
	// Routes returns the proxy's, in their order. nil stands for none.
	Routes func() []Route
	// Errors returns the last messages that were refused, newest first. nil stands for none.
	Errors func() []RefusedMessage
	// Status returns the state of the process, except what the Server fills in.
	Status func() Status
	// Ready reports whether the process wants traffic.
	Ready func() Readiness
}

// Server serves the admin API.
type Server struct {
	settings Settings
	sources  Sources
	log      zerolog.Logger
	guard    guard
	started  time.Time
	route    fasthttp.RequestHandler
	http     *fasthttp.Server

	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]fasthttp.ConnState
	stopped  bool
}

// New makes a Server. The caller calls Serve, and Shutdown in the end.
func New(settings Settings, sources Sources, log zerolog.Logger) *Server {
	s := &Server{
		settings: settings, sources: sources, log: log,
		guard: newGuard(settings.Token), started: time.Now(),
		conns: make(map[net.Conn]fasthttp.ConnState),
	}
	s.route = s.newRouter().Handler
	s.http = &fasthttp.Server{
		Handler:                      s.handle,
		ErrorHandler:                 s.malformed,
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

// handle serves one request.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	defer protect(ctx)
	defer s.recoverPanic(ctx)
	if err := s.guard.admit(&ctx.Request); err != nil {
		s.fail(ctx, err)
		return
	}
	s.route(ctx)
}

// Serve serves the listener until Shutdown, then closes it and returns nil. Without a token it
// refuses a listener that other machines can reach. It may be called once.
func (s *Server) Serve(ln net.Listener) error {
	if err := s.guard.checkListener(ln.Addr()); err != nil {
		return errors.Join(err, ln.Close())
	}
	patient := newPatientListener(ln)
	s.mu.Lock()
	s.listener = patient
	stopped := s.stopped
	s.mu.Unlock()
	if stopped {
		return patient.Close()
	}
	return s.http.Serve(patient)
}

// StopAccepting closes the listener. Connections go on until Shutdown, but there are no new ones.
// It may be called before Serve, and more than once.
func (s *Server) StopAccepting() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	s.hurrySilent()
	if s.listener == nil {
		return nil
	}
	if err := s.listener.Close(); err != nil {
		return fmt.Errorf("closing the admin listener: %w", err)
	}
	return nil
}

// Shutdown stops accepting and waits for the calls that run. If ctx ends first it closes the
// connections that are left, and its error has their number.
func (s *Server) Shutdown(ctx context.Context) error {
	closing := s.StopAccepting()
	// fasthttp returns the error of closing the listener, which closing is, or the context's.
	if err := s.http.ShutdownWithContext(ctx); err != nil && ctx.Err() != nil {
		return fmt.Errorf("admin API: %w, and connections were cut: %d", err, s.cut())
	}
	return closing
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
