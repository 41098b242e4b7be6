package api

import "github.com/valyala/fasthttp"

// showConfig serves the configuration that is in force.
func (s *snapshot) showConfig(ctx *fasthttp.RequestCtx) error {
	if s.sources.Config == nil {
		return writeJSON(ctx, fasthttp.StatusOK, nil)
	}
	return writeJSON(ctx, fasthttp.StatusOK, s.sources.Config())
}

// showPending serves what a reload would change.
func (s *snapshot) showPending(ctx *fasthttp.RequestCtx) error {
	if s.sources.Pending == nil {
		return ErrStarting
	}
	pending, err := s.sources.Pending()
	if err != nil {
		return reloadError(err)
	}
	return writeJSON(ctx, fasthttp.StatusOK, pending.listed())
}
