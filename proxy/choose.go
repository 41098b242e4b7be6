package proxy

import (
	"gopher-equalizer/proxy/outcome"
	"gopher-equalizer/proxy/route"
)

// choose finds the request's route, and refuses a body that is known to be too large for it.
func (r *request) choose() error {
	h := r.head.Received
	r.path.Read(h.Path)
	found, verdict := r.snapshot.Routes.Match(h.Host, h.Method, &r.path, h.Fields)
	switch verdict {
	case route.NotFound:
		return outcome.NoRoute
	case route.MethodNotAllowed:
		return outcome.WrongMethod
	case route.Ambiguous:
		return r.ambiguous()
	}
	r.route = found.Value
	r.result.Route = r.route.Name
	if !r.begin() {
		r.stream.Last()
		return outcome.RefuseSize(h)
	}
	return nil
}

// ambiguous refuses a request whose path backends may read as that of another route, or as one that
// a limit doesn't count.
func (r *request) ambiguous() error {
	r.stream.Last()
	return outcome.RefusePath(r.head.Received)
}

// appendAllow writes the methods that have a route where the request's has none.
func (r *request) appendAllow(dst []byte) []byte {
	h := r.head.Received
	return r.snapshot.Routes.AppendAllow(dst, h.Host, &r.path, h.Fields)
}
