package proxy

import "gopher-equalizer/proxy/netconn"

// session is a client's connection and the requests that come on it, one after the other. While
// none has come it holds no memory but its own. It is the connection's netconn.Handler.
type session struct {
	*netconn.Client
	proxy *Proxy
	// request is the one that is being read or served; nil while nothing of one has come.
	request *request
}

// Arrived serves each request that needs no more of the client, which is most.
func (s *session) Arrived(n int) netconn.Verdict {
	s.request.in.end += n
	for s.request.arrived() {
		if verdict := s.Attend(); verdict != netconn.Attend {
			return verdict
		}
	}
	if !s.request.isOpen() { // Old clients send empty lines behind a body.
		s.release()
		return netconn.Ignore
	}
	return netconn.Attend
}

// Attend serves a request, and readies the connection for the next one. A part of that may be here
// already.
func (s *session) Attend() netconn.Verdict {
	if !s.request.serve() {
		return netconn.End
	}
	s.Idle()
	in := &s.request.in
	if in.skipEmptyLines(); in.size() == 0 {
		s.release()
		return netconn.Wait
	}
	in.shift()
	s.Begin()
	return netconn.Attend
}

// Lend lends the room that a request's first bytes are read into.
func (s *session) Lend() []byte {
	if s.request == nil {
		s.request = s.proxy.requests.Get().(*request)
		s.request.session = s
	}
	return s.request.in.room()
}

// GiveBack takes it back.
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
