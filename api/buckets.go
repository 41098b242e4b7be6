package api

import (
	"context"
	"errors"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
)

// BucketReader is what the calls that read buckets need; *limiter.Service is one.
type BucketReader interface {
	// Get returns the client's bucket as it is now, or limiter.ErrNotFound if it has none.
	Get(limit, clientID string) (limiter.Snapshot, error)
	// List returns a page of the buckets, and whether there are more behind it.
	List(q limiter.Query) (page []limiter.Snapshot, more bool, err error)
	// Defaults returns the settings of an unknown client's bucket.
	Defaults(limit string) (gcra.Settings, error)
}

// BucketWriter is what the calls that change buckets need; *limiter.Service is one. Each call
// returns soon after its context has ended. A nil error means that the change is stored.
type BucketWriter interface {
	// Create makes a managed bucket.
	Create(ctx context.Context, limit, clientID string, c limiter.Change) (limiter.Written, error)
	// Put makes a bucket or changes it.
	Put(ctx context.Context, limit, clientID string, c limiter.Change) (limiter.Written, error)
	// Patch changes a bucket that exists.
	Patch(ctx context.Context, limit, clientID string, c limiter.Change) (limiter.Written, error)
	// Delete removes a bucket, and returns it as it was.
	Delete(ctx context.Context, limit, clientID string) (limiter.Snapshot, error)
}

// bucketView is a bucket in JSON.
type bucketView struct {
	ClientID   string      `json:"client_id"`
	Capacity   int64       `json:"capacity"`
	Tokens     int64       `json:"tokens"`
	Refill     gcra.Refill `json:"refill"`
	Managed    bool        `json:"managed"`
	LastRefill Moment      `json:"last_refill"`
}

func viewBucket(s limiter.Snapshot) bucketView {
	return bucketView{
		ClientID: s.ClientID, Capacity: s.Capacity, Tokens: s.Tokens, Refill: s.Refill,
		Managed: s.Managed, LastRefill: Moment{s.LastRefill},
	}
}

// defaultsView is what an unknown client's bucket would be.
type defaultsView struct {
	Capacity int64       `json:"capacity"`
	Refill   gcra.Refill `json:"refill"`
}

func (s *Server) createBucket(ctx *fasthttp.RequestCtx) error {
	body, err := jsonBody(&ctx.Request)
	if err != nil {
		return err
	}
	clientID, change, err := decodeCreate(body)
	if err != nil {
		return err
	}
	written, err := s.change(ctx, s.sources.ClientID(clientID), change, s.sources.Writer.Create)
	if err != nil {
		return err
	}
	return created(ctx, written.Snapshot)
}

func (s *Server) listBuckets(ctx *fasthttp.RequestCtx) error {
	query, err := parseListQuery(string(ctx.URI().QueryString()))
	if err != nil {
		return err
	}
	page, more, err := s.sources.Reader.List(query)
	if err != nil {
		return err
	}
	if more {
		ctx.Response.Header.Set("Link", nextPage(query, page))
	}
	views := make([]bucketView, len(page))
	for i, snap := range page {
		views[i] = viewBucket(snap)
	}
	return writeJSON(ctx, fasthttp.StatusOK, views)
}

func (s *Server) getBucket(ctx *fasthttp.RequestCtx) error {
	clientID, err := s.pathClientID(ctx)
	if err != nil {
		return err
	}
	snap, err := s.sources.Reader.Get(s.settings.Limit, clientID)
	if errors.Is(err, limiter.ErrNotFound) {
		return s.noBucket(clientID)
	}
	if err != nil {
		return err
	}
	return writeJSON(ctx, fasthttp.StatusOK, viewBucket(snap))
}

// noBucket is a 404 with the defaults that the client would get.
func (s *Server) noBucket(clientID string) error {
	defaults, err := s.sources.Reader.Defaults(s.settings.Limit)
	if err != nil {
		return err
	}
	refused := refuse(limiter.ErrNotFound, "client_id %q has no bucket: its next request starts one on the defaults", clientID)
	return refused.with("defaults", defaultsView(defaults))
}

func (s *Server) putBucket(ctx *fasthttp.RequestCtx) error {
	clientID, change, err := s.pathChange(ctx)
	if err != nil {
		return err
	}
	written, err := s.change(ctx, clientID, change, s.sources.Writer.Put)
	switch {
	case err != nil:
		return err
	case written.Before == nil:
		return created(ctx, written.Snapshot)
	}
	return writeJSON(ctx, fasthttp.StatusOK, viewBucket(written.Snapshot))
}

func (s *Server) patchBucket(ctx *fasthttp.RequestCtx) error {
	clientID, change, err := s.pathChange(ctx)
	if err != nil {
		return err
	}
	if change.Empty() {
		return badRequest("the body changes nothing; want capacity, refill or tokens in it")
	}
	written, err := s.change(ctx, clientID, change, s.sources.Writer.Patch)
	if err != nil {
		return err
	}
	return writeJSON(ctx, fasthttp.StatusOK, viewBucket(written.Snapshot))
}

// change makes a change by a method of the Writer, and logs it.
func (s *Server) change(
	ctx *fasthttp.RequestCtx, clientID string, c limiter.Change,
	method func(context.Context, string, string, limiter.Change) (limiter.Written, error),
) (limiter.Written, error) {
	deadline, cancel := s.writeContext()
	defer cancel()
	audit := write{s, ctx, clientID, c}
	written, err := method(deadline, s.settings.Limit, clientID, c)
	if err != nil {
		return limiter.Written{}, audit.failed(err)
	}
	audit.done(written.Before, &written.Snapshot)
	return written, nil
}

func (s *Server) deleteBucket(ctx *fasthttp.RequestCtx) error {
	clientID, err := s.pathClientID(ctx)
	if err != nil {
		return err
	}
	deadline, cancel := s.writeContext()
	defer cancel()
	audit := write{s, ctx, clientID, limiter.Change{}}
	was, err := s.sources.Writer.Delete(deadline, s.settings.Limit, clientID)
	if err != nil {
		return audit.failed(err)
	}
	audit.done(&was, nil)
	ctx.SetStatusCode(fasthttp.StatusNoContent)
	return nil
}

// pathClientID is the client_id of the path, as it is stored.
func (s *Server) pathClientID(ctx *fasthttp.RequestCtx) (string, error) {
	segment, _ := ctx.UserValue("client_id").(string)
	clientID, err := unescapeClientID(segment)
	if err != nil {
		return "", err
	}
	return s.sources.ClientID(clientID), nil
}

// pathChange reads a write to the bucket that the path names.
func (s *Server) pathChange(ctx *fasthttp.RequestCtx) (clientID string, c limiter.Change, err error) {
	if clientID, err = s.pathClientID(ctx); err != nil {
		return "", limiter.Change{}, err
	}
	body, err := jsonBody(&ctx.Request)
	if err != nil {
		return "", limiter.Change{}, err
	}
	c, err = decodeChange(body)
	return clientID, c, err
}

// writeContext bounds an admin write. It isn't the request's context, which ends when the server
// begins to stop, since a write that has begun is finished.
func (s *Server) writeContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), s.settings.WriteTimeout)
}

func created(ctx *fasthttp.RequestCtx, snap limiter.Snapshot) error {
	ctx.Response.Header.Set(fasthttp.HeaderLocation, bucketPath(snap.ClientID))
	return writeJSON(ctx, fasthttp.StatusCreated, viewBucket(snap))
}
