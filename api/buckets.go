package api

import (
	"context"
	"errors"
	"net/url"

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
	// Stats has the counts of each limit.
	Stats() limiter.Stats
}

// BucketWriter is what the calls that change buckets need; *limiter.Service is one. Each call
// returns soon after its context has ended. A nil error means that the change is stored. If a
// condition doesn't hold, nothing is changed, and its error is the call's.
type BucketWriter interface {
	// Create makes a managed bucket.
	Create(ctx context.Context, limit, clientID string, c limiter.Change, only ...limiter.Condition) (limiter.Written, error)
	// Put makes a bucket or changes it.
	Put(ctx context.Context, limit, clientID string, c limiter.Change, only ...limiter.Condition) (limiter.Written, error)
	// Patch changes a bucket that exists.
	Patch(ctx context.Context, limit, clientID string, c limiter.Change, only ...limiter.Condition) (limiter.Written, error)
	// Delete removes a bucket, and returns it as it was.
	Delete(ctx context.Context, limit, clientID string, only ...limiter.Condition) (limiter.Snapshot, error)
	// DeleteManaged removes all managed buckets of a limit, also of one that left the
	// configuration. It returns how many, also with an error.
	DeleteManaged(ctx context.Context, limit string) (int, error)
}

// Bucket is a bucket in JSON. Capacity and Tokens are whole tokens.
type Bucket struct {
	ClientID   string      `json:"client_id"`
	Limit      string      `json:"limit"`
	Tier       string      `json:"tier,omitempty"`
	TierGone   bool        `json:"tier_gone,omitempty"`
	Capacity   int64       `json:"capacity"`
	Tokens     int64       `json:"tokens"`
	Refill     gcra.Refill `json:"refill"`
	Managed    bool        `json:"managed"`
	LastRefill Moment      `json:"last_refill"`
}

func viewBucket(s limiter.Snapshot) Bucket {
	return Bucket{
		ClientID: s.ClientID, Limit: s.Limit, Tier: s.Tier, TierGone: s.TierGone, Capacity: s.Capacity, Tokens: s.Tokens, Refill: s.Refill,
		Managed: s.Managed, LastRefill: Moment{s.LastRefill},
	}
}

// Defaults are what an unknown client's bucket would be, in JSON.
type Defaults struct {
	Capacity int64       `json:"capacity"`
	Refill   gcra.Refill `json:"refill"`
}

func (s *snapshot) createBucket(ctx *fasthttp.RequestCtx) error {
	body, err := jsonBody(&ctx.Request)
	if err != nil {
		return err
	}
	in, clientID, change, err := decodeCreate(body)
	if err != nil {
		return err
	}
	limit, err := s.limitNamed(in, "limit")
	if err != nil {
		return err
	}
	written, err := s.change(ctx, target{limit: limit, clientID: limit.stored(clientID)}, change, s.sources.Writer.Create)
	if err != nil {
		return err
	}
	return s.created(ctx, written.Snapshot)
}

func (s *snapshot) listBuckets(ctx *fasthttp.RequestCtx) error {
	query, err := parseListQuery(string(ctx.URI().QueryString()))
	if err != nil {
		return err
	}
	if query.In != "" {
		if _, err := s.limitNamed(query.In, "in="); err != nil {
			return err
		}
	}
	page, more, err := s.sources.Reader.List(query)
	if err != nil {
		return err
	}
	if more {
		ctx.Response.Header.Set("Link", nextPage(query, page, len(s.sources.Limits) > 1))
	}
	views := make([]Bucket, len(page))
	for i, snap := range page {
		views[i] = viewBucket(snap)
	}
	return writeJSON(ctx, fasthttp.StatusOK, views)
}

func (s *snapshot) getBucket(ctx *fasthttp.RequestCtx) error {
	to, err := s.target(ctx)
	if err != nil {
		return err
	}
	snap, err := s.sources.Reader.Get(to.limit.Name, to.clientID)
	if errors.Is(err, limiter.ErrNotFound) {
		return to.noBucket()
	}
	if err != nil {
		return err
	}
	if err := (conditions{match: to.only.match}).hold(&snap); err != nil {
		return err
	}
	return writeBucket(ctx, fasthttp.StatusOK, snap)
}

// writeBucket responds with a bucket.
func writeBucket(ctx *fasthttp.RequestCtx, status int, snap limiter.Snapshot) error {
	ctx.Response.Header.Set(fasthttp.HeaderETag, tag(&snap))
	return writeJSON(ctx, status, viewBucket(snap))
}

// noBucket is a 404 with the defaults that the client would get.
func (to target) noBucket() error {
	refused := refuse(limiter.ErrNotFound, "client_id %q has no bucket: its next request starts one on the defaults", to.clientID)
	return refused.with("defaults", Defaults(to.limit.Settings))
}

func (s *snapshot) putBucket(ctx *fasthttp.RequestCtx) error {
	to, change, err := s.pathChange(ctx)
	if err != nil {
		return err
	}
	written, err := s.change(ctx, to, change, s.sources.Writer.Put)
	switch {
	case err != nil:
		return err
	case written.Before == nil:
		return s.created(ctx, written.Snapshot)
	}
	return writeBucket(ctx, fasthttp.StatusOK, written.Snapshot)
}

func (s *snapshot) patchBucket(ctx *fasthttp.RequestCtx) error {
	to, change, err := s.pathChange(ctx)
	if err != nil {
		return err
	}
	if change.Empty() {
		return badRequest("the body changes nothing; want capacity, refill, tokens or tier in it")
	}
	written, err := s.change(ctx, to, change, s.sources.Writer.Patch)
	if err != nil {
		return err
	}
	return writeBucket(ctx, fasthttp.StatusOK, written.Snapshot)
}

// change makes a change by a method of the Writer, and logs it.
func (s *snapshot) change(
	ctx *fasthttp.RequestCtx, to target, c limiter.Change,
	method func(context.Context, string, string, limiter.Change, ...limiter.Condition) (limiter.Written, error),
) (limiter.Written, error) {
	deadline, cancel := s.writeContext()
	defer cancel()
	audit := write{s, ctx, to, c}
	written, err := method(deadline, to.limit.Name, to.clientID, c, to.only.hold)
	if err != nil {
		return limiter.Written{}, audit.failed(err)
	}
	audit.done(written.Before, &written.Snapshot)
	return written, nil
}

func (s *snapshot) deleteBucket(ctx *fasthttp.RequestCtx) error {
	to, err := s.target(ctx)
	if err != nil {
		return err
	}
	deadline, cancel := s.writeContext()
	defer cancel()
	audit := write{s, ctx, to, limiter.Change{}}
	was, err := s.sources.Writer.Delete(deadline, to.limit.Name, to.clientID, to.only.hold)
	if err != nil {
		return audit.failed(err)
	}
	audit.done(&was, nil)
	ctx.SetStatusCode(fasthttp.StatusNoContent)
	return nil
}

// target is the bucket that a call is about. The client_id is the stored one.
type target struct {
	limit    *Limit
	clientID string
	only     conditions
}

// target is the bucket that the path and the query name, with the request's conditions.
func (s *snapshot) target(ctx *fasthttp.RequestCtx) (target, error) {
	segment, _ := ctx.UserValue("client_id").(string)
	clientID, err := unescapeClientID(segment)
	if err != nil {
		return target{}, err
	}
	in, err := parseIn(string(ctx.RequestURI()))
	if err != nil {
		return target{}, err
	}
	limit, err := s.limitNamed(in, "in=")
	if err != nil {
		return target{}, err
	}
	only, err := parseConditions(&ctx.Request.Header)
	return target{limit, limit.stored(clientID), only}, err
}

// pathChange reads a write to the bucket that the path and the query name.
func (s *snapshot) pathChange(ctx *fasthttp.RequestCtx) (to target, c limiter.Change, err error) {
	if to, err = s.target(ctx); err != nil {
		return target{}, limiter.Change{}, err
	}
	body, err := jsonBody(&ctx.Request)
	if err != nil {
		return target{}, limiter.Change{}, err
	}
	c, err = decodeChange(body)
	return to, c, err
}

// writeContext bounds an admin write. It isn't the request's context, which ends when the server
// begins to stop, since a write that has begun is finished.
func (s *snapshot) writeContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), s.settings.WriteTimeout)
}

func (s *snapshot) created(ctx *fasthttp.RequestCtx, snap limiter.Snapshot) error {
	location := BucketPath(snap.ClientID)
	if len(s.sources.Limits) > 1 {
		location += "?in=" + url.QueryEscape(snap.Limit)
	}
	ctx.Response.Header.Set(fasthttp.HeaderLocation, location)
	return writeBucket(ctx, fasthttp.StatusCreated, snap)
}
