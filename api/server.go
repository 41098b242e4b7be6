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
	writeTimeout = 30 * time.Second // of a whole answer
)

// Settings say how the admin API works.
type Settings struct {
	// Token is what callers show as bearer token; "" lets in whoever reaches a loopback address of
	// this machine.
	Token string
	// Version is the process's, for GET /status.
	Version string
	// Limit is the name of the limit that the buckets belong to, for GET /status; "" where
	// nothing is limited.
	Limit string
	// WriteTimeout is the deadline of an admin write, store.timeout. It has to be above 0.
	WriteTimeout time.Duration
}

// Sources are where the answers come from. All of them may be called at the same time by any
// number of goroutines.
type Sources struct {
	// Reader and Writer are the limiter; both are nil, without a type, where nothing is limited:
	// calls about buckets are 409 then.
	Reader BucketReader
	Writer BucketWriter
	// ClientID is what an operator's client_id is stored as. It has to return ids that it
	// returned before, which listings show, as they are. nil: the same.
	ClientID func(string) string
	// Backends are those of all pools.
	Backends func() []balancer.BackendStatus
	// Errors are the last messages that were refused, newest first. nil: none.
	Errors func() []RefusedMessage
	// Status is the state of the process, except what the Server fills in.
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

// New makes a Server. The caller Serves with it, and Shuts it down.
func New(settings Settings, sources Sources, log zerolog.Logger) *Server {
	if sources.ClientID == nil {
		sources.ClientID = func(id string) string { return id }
	}
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

// handle answers one request.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	defer protect(ctx)
	defer s.recoverPanic(ctx)
	if err := s.guard.admit(&ctx.Request); err != nil {
		s.fail(ctx, err)
		return
	}
	s.route(ctx)
}

// Serve serves the listener until Shutdown, after which it returns nil. It closes the listener,
// and refuses one that others than this machine can reach if there is no token. It is called once.
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

// StopAccepting closes the listener: nobody connects any more, and what runs goes on until
// Shutdown. It may be called before Serve, and more than once.
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

// Shutdown stops accepting and waits for what runs. If ctx ends first it cuts what is left, and
// its error says how much that was.
func (s *Server) Shutdown(ctx context.Context) error {
	closing := s.StopAccepting()
	// fasthttp's errors are closing's and the context's.
	if err := s.http.ShutdownWithContext(ctx); err != nil && ctx.Err() != nil {
		return fmt.Errorf("admin API: %w, and connections were cut: %d", err, s.cut())
	}
	return closing
}

// hurrySilent ends the wait for the first byte of connections that have sent none, which fasthttp
// would wait for some seconds. It doesn't close them: whoever has sent a request just now
// is answered.
func (s *Server) hurrySilent() {
	for conn, state := range s.conns {
		if state == fasthttp.StateNew {
			_ = conn.SetReadDeadline(time.Unix(1, 0)) // if it can't be set, fasthttp's wait ends it
		}
	}
}

// cut closes every connection, and says how many there were.
func (s *Server) cut() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		_ = conn.Close() // it is given up, whatever this says
	}
	return len(s.conns)
}

// track keeps in conns the connections that are open.
func (s *Server) track(conn net.Conn, state fasthttp.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state == fasthttp.StateClosed {
		delete(s.conns, conn)
		return
	}
	s.conns[conn] = state
}
