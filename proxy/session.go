package proxy

import "gopher-equalizer/proxy/netconn"

// session is a client's connection and the requests that come on it, one after the other. While
// none has come it holds no memory but its own.
type session struct {
	*netconn.Client
	proxy *Proxy
	// request is the one that is being read or answered; nil while nothing of one has come.
	request *request
	// over says that no request follows.
	over bool
	// rested says that the session goes on in a new goroutine.
	rested bool
}

// run serves the connection until one side has enough of it.
func (s *session) run() {
	for s.await() {
		s.serve()
	}
	s.release()
	if s.rested {
		s.rested = false
		go s.run()
		return
	}
	s.Close()
}

// Serve is netconn.Server's: n bytes have come. Requests that need no more of the client, which is
// most, are answered.
func (s *session) Serve(n int) (wait bool) {
	s.request.in.end += n
	for s.request.arrived() {
		if s.serve(); s.over {
			return false
		}
		if s.request == nil {
			return true
		}
	}
	return false
}

// serve answers the request, and readies the connection for the next one. A part of that may be
// here already.
func (s *session) serve() {
	if !s.request.serve() {
		s.over = true
		return
	}
	s.Idle()
	in := &s.request.in
	if in.skipEmptyLines(); in.size() == 0 {
		s.release()
		return
	}
	in.shift()
	s.Begin()
}

// Lend and GiveBack are netconn.Server's, too.
func (s *session) Lend() []byte {
	if s.request == nil {
		s.request = s.proxy.requests.Get().(*request)
		s.request.session = s
	}
	return s.request.in.room()
}

// GiveBack is called when nothing had come after all.
func (s *session) GiveBack() { s.release() }

func (s *session) release() {
	if r := s.request; r != nil {
		s.request = nil
		r.session = nil
		r.in.clear()
		if r.in.buf != nil { // Else a tunnel has given its memory up.
			s.proxy.requests.Put(r)
		}
	}
}

// await waits for the first bytes of a request, unless those came with the one before. It says no
// at the connection's end, and when the session has rested.
func (s *session) await() bool {
	if s.over {
		return false
	}
	if s.request != nil {
		return true
	}
	err := s.Await(s)
	for ; err == nil && !s.over; err = s.Await(s) {
		if s.request.isOpen() {
			return true
		}
		// Empty lines behind a body, as old clients send them, are no request.
		s.KeepWaiting()
		s.release()
	}
	s.rested = err == netconn.ErrRested
	return false
}
