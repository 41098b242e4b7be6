package api

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/limiter"
)

// Cleared is the response to DELETE /limits/NAME/buckets.
type Cleared struct {
	Limit   string `json:"limit"`
	Deleted int    `json:"deleted"`
}

// clearLimit deletes the managed buckets of a limit, also of one that left the configuration.
//
// The call has no deadline of its own: the Writer bounds each of its writes, and there may be many.
func (s *snapshot) clearLimit(ctx *fasthttp.RequestCtx) error {
	segment, _ := ctx.UserValue("name").(string)
	name, err := url.PathUnescape(segment)
	if err != nil {
		return badRequest("the limit %s in the path: %v", excerpt(segment), err)
	}
	n, err := s.sources.Writer.DeleteManaged(context.Background(), name)
	if n > 0 || err == nil {
		s.audit(s.log.Info(), ctx).Str("limit", name).Int("deleted", n).Msg("admin write: managed buckets deleted")
	}
	if err != nil {
		return partly(n, name, err)
	}
	return writeJSON(ctx, fasthttp.StatusOK, Cleared{name, n})
}

// partly is the error of a deletion that may have got somewhere before it failed.
func partly(n int, name string, err error) error {
	done := "nothing was deleted"
	if n > 0 {
		done = fmt.Sprintf("%d were deleted", n)
	}
	switch {
	case errors.Is(err, limiter.ErrInDoubt):
		return refuse(limiter.ErrInDoubt, "the connection to the store broke around a commit: %s before, and it is unknown whether others were; ask again", done)
	case errors.Is(err, limiter.ErrStore):
		return refuse(limiter.ErrStore, "the store did not take the deletion: %s; ask again for the rest", done)
	case errors.Is(err, limiter.ErrClosed):
		return refuse(limiter.ErrClosed, "this process is stopping: %s; ask the next one for the rest", done)
	case errors.Is(err, limiter.ErrNoLimit):
		return refuse(limiter.ErrNoLimit, "there is no limit %s, and the store has no buckets of one", excerpt(name))
	}
	return err
}
