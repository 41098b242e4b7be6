package api

import (
	"errors"
	"net"

	"github.com/rs/zerolog"
	"github.com/valyala/fasthttp"

	"gopher-equalizer/balancer"
	"gopher-equalizer/limiter"
)

// write logs an admin write to a client's bucket: who asked for what, what was there before, and
// what is there now. The client_id is the stored one, which is a hash if the key is secret.
type write struct {
	server *snapshot
	ctx    *fasthttp.RequestCtx
	to     target
	change limiter.Change
}

// done logs a write that took effect. A bucket that doesn't exist is nil.
func (w write) done(before, after *limiter.Snapshot) {
	w.who(w.server.log.Info()).
		Dict("before", describe(before)).
		Dict("after", describe(after)).
		Msg("admin write")
}

// failed logs what was asked for if the write may have taken effect. Other writes that failed
// changed nothing.
func (w write) failed(err error) error {
	if errors.Is(err, limiter.ErrInDoubt) {
		w.who(w.server.log.Warn()).
			Dict("change", describeChange(w.change)).
			Msg("admin write in doubt: the store may or may not have it")
	}
	return err
}

func (w write) who(line *zerolog.Event) *zerolog.Event {
	return w.server.audit(line, w.ctx).
		Str("limit", w.to.limit.Name).
		Str("client_id", w.to.clientID)
}

// audit adds to a line who asked, and for what.
func (s *snapshot) audit(line *zerolog.Event, ctx *fasthttp.RequestCtx) *zerolog.Event {
	credential := "none"
	if s.guard.secured() {
		credential = "token"
	}
	remote := ctx.RemoteAddr().String()
	if _, isSocket := ctx.RemoteAddr().(*net.UnixAddr); isSocket {
		remote = "unix" // Callers' ends have no names.
	}
	return line.Str("remote", remote).
		Str("credential", credential).
		Bytes("method", ctx.Method())
}

// backendWrite logs a change of a backend.
func (s *snapshot) backendWrite(ctx *fasthttp.RequestCtx, before, after balancer.BackendStatus) {
	s.audit(s.log.Info(), ctx).Str("backend", after.ID()).
		Dict("before", describeBackend(before)).
		Dict("after", describeBackend(after)).
		Msg("admin write")
}

func describeBackend(b balancer.BackendStatus) *zerolog.Event {
	return zerolog.Dict().Str("state", string(b.State)).Int("weight", b.Weight)
}

func describe(s *limiter.Snapshot) *zerolog.Event {
	if s == nil {
		return zerolog.Dict().Bool("exists", false)
	}
	dict := zerolog.Dict().Bool("exists", true)
	if s.Tier != "" {
		dict.Str("tier", s.Tier)
	}
	return dict.
		Int64("capacity", s.Capacity).
		Int64("tokens", s.Tokens).
		Stringer("refill", s.Refill).
		Bool("managed", s.Managed)
}

func describeChange(c limiter.Change) *zerolog.Event {
	dict := zerolog.Dict()
	if c.Capacity != nil {
		dict.Int64("capacity", *c.Capacity)
	}
	if c.Tokens != nil {
		dict.Int64("tokens", *c.Tokens)
	}
	if c.Refill != nil {
		dict.Stringer("refill", *c.Refill)
	}
	if c.Tier != nil {
		dict.Str("tier", *c.Tier)
	}
	return dict
}
