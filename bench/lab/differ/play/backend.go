//go:build linux

package play

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"gopher-equalizer/bench/lab/differ/corpus"
	"gopher-equalizer/bench/lab/differ/strict"
)

// Seen is what a backend got: a request, or a part of one.
type Seen struct {
	// Request is nil if not even the first line could be read.
	Request *strict.Request
	// Err is why it isn't a whole request: strict.Malformed, strict.ErrCut or an error of the
	// network.
	Err error
}

// Backend is an origin server. It responds to /health with 200, to /case as told, and to others
// with an echo of the request. It notes all requests except /health.
type Backend struct {
	ln      net.Listener
	running sync.WaitGroup

	mu       sync.Mutex
	changed  *sync.Cond
	sessions map[*session]struct{}
	seen     []Seen
	response *corpus.Case
	taken    chan struct{} // closed once the client has its response
	owing    int           // sessions that have yet to send what comes late
}

// StartBackend starts a backend on a free port of loopback.
func StartBackend() (*Backend, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &Backend{ln: ln, sessions: map[*session]struct{}{}, taken: make(chan struct{})}
	b.changed = sync.NewCond(&b.mu)
	b.running.Go(b.accept)
	return b, nil
}

// Addr is its address.
func (b *Backend) Addr() string { return b.ln.Addr().String() }

func (b *Backend) accept() {
	for {
		conn, err := b.ln.Accept()
		if err != nil {
			return
		}
		s := &session{backend: b, conn: conn.(*net.TCPConn), br: bufio.NewReader(conn)}
		b.mu.Lock()
		b.sessions[s] = struct{}{}
		b.mu.Unlock()
		b.running.Go(s.serve)
	}
}

// Close ends the backend and its connections, and waits for that.
func (b *Backend) Close() {
	b.ln.Close()
	b.Begin(nil)
	b.mu.Lock()
	for s := range b.sessions {
		s.conn.Close()
	}
	b.mu.Unlock()
	b.running.Wait()
}

// Begin begins a case. It forgets what was seen, and responds to /case with this from now on, or
// with an echo if it is nil.
func (b *Backend) Begin(response *corpus.Case) {
	b.Release()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen, b.response, b.taken = nil, response, make(chan struct{})
}

// Release tells the backend that the client has its response. It returns once late parts have been
// sent.
func (b *Backend) Release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-b.taken:
	default:
		close(b.taken)
	}
	for b.owing > 0 {
		b.changed.Wait()
	}
}

var errUnsettled = errors.New("the backend waits for the rest of a request, and the proxy keeps the connection")

// Settle waits until nothing is under way, and returns what was seen since Begin.
func (b *Backend) Settle(patience time.Duration) ([]Seen, error) {
	late := false
	timer := time.AfterFunc(patience, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		late = true
		b.changed.Broadcast()
	})
	defer timer.Stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.busy() {
		if late {
			return b.seen, errUnsettled
		}
		b.changed.Wait()
	}
	return slices.Clone(b.seen), nil
}

func (b *Backend) busy() bool {
	for s := range b.sessions {
		if s.busy || s.pending() {
			return true
		}
	}
	return false
}

// note adds a request to those seen, unless it is a probe.
func (b *Backend) note(r *strict.Request, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen = append(b.seen, Seen{r, err})
}

// session is a connection to the backend.
type session struct {
	backend *Backend
	conn    *net.TCPConn
	br      *bufio.Reader
	busy    bool // it is between the first byte of a request and the last of its response
}

func (s *session) serve() {
	defer s.end()
	for {
		if _, err := s.br.Peek(1); err != nil {
			return
		}
		s.set(true)
		r, err := strict.ReadRequest(s.br, s.head)
		if err == nil && r.Target == "/health" {
			err = s.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		} else {
			s.backend.note(r, err)
			if err == nil {
				err = s.respond(r)
			}
		}
		if err != nil {
			return
		}
		s.set(false)
	}
}

// set notes whether the session is busy.
func (s *session) set(busy bool) {
	s.backend.mu.Lock()
	defer s.backend.mu.Unlock()
	s.busy = busy
	s.backend.changed.Broadcast()
}

// owe counts the session as one that has yet to send a late part.
func (s *session) owe(n int) {
	s.backend.mu.Lock()
	defer s.backend.mu.Unlock()
	s.backend.owing += n
	s.backend.changed.Broadcast()
}

func (s *session) end() {
	s.conn.Close()
	s.backend.mu.Lock()
	defer s.backend.mu.Unlock()
	delete(s.backend.sessions, s)
	s.backend.changed.Broadcast()
}

// pending reports whether bytes or the end have arrived that the session hasn't read yet.
func (s *session) pending() bool {
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return false
	}
	there := false
	_ = raw.Control(func(fd uintptr) { // fails only if it is closed, and then nothing is pending
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		there = err != syscall.EAGAIN
	})
	return there
}

func (s *session) write(text string) error {
	_, err := io.WriteString(s.conn, text)
	return err
}

// head sends the 100 that a request asks for.
func (s *session) head(r *strict.Request) {
	if r.Version == "HTTP/1.1" && r.Fields.Has("Expect", "100-continue") {
		_ = s.write("HTTP/1.1 100 Continue\r\n\r\n") // a proxy that went meanwhile is noticed when the body is read
	}
}

// respond responds to a request.
func (s *session) respond(r *strict.Request) error {
	response, taken := s.backend.responseTo(r)
	if response == nil {
		return s.write(echo(r))
	}
	if response.Waits {
		s.owe(1)
		defer s.owe(-1)
	}
	if err := s.write(response.Text); err != nil {
		return err
	}
	if response.Waits {
		<-taken
		if err := s.write(response.Late); err != nil {
			return err
		}
	}
	if response.Close {
		return io.EOF
	}
	return nil
}

// responseTo is the case to respond to this request with; nil for an echo.
func (b *Backend) responseTo(r *strict.Request) (*corpus.Case, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.Target != "/case" {
		return nil, nil
	}
	return b.response, b.taken
}

// echo is a response with the request in it.
func echo(r *strict.Request) string {
	body := echoed(r.Method, r.Target, len(r.Data))
	head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(body))
	if r.Method == "HEAD" {
		return head
	}
	return head + body
}

// echoed is the body of an echo.
func echoed(method, target string, size int) string {
	return fmt.Sprintf("%s %s %d", method, target, size)
}
