package api

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/limiter"
)

// tag is a bucket's entity tag. It stands for what operators write and clients don't change: the
// capacity, the refill, the tier, and whether the bucket is managed. Tokens aren't in it, since
// each request of the client spends some, and no If-Match would ever hold.
//
// It has the form of a strong tag, as If-Match compares no others (RFC 9110, 13.1.1), although two
// responses with different tokens have the same one. Nothing relies on more: responses are
// no-store, there are no ranges, and a GET is never 304.
func tag(s *limiter.Snapshot) string {
	written := fmt.Sprintf("%d\n%s\n%t\n%s", s.Capacity, s.Refill, s.Managed, s.Tier)
	sum := sha256.Sum256([]byte(written))
	return `"` + hex.EncodeToString(sum[:8]) + `"`
}

// tagSet is what If-Match or If-None-Match says: any bucket, or those with one of some tags.
type tagSet struct {
	any  bool
	tags []string // as they came, quoted
}

// conditions are a request's If-Match and If-None-Match; nil: it has no such field.
type conditions struct{ match, noneMatch *tagSet }

func parseConditions(header *fasthttp.RequestHeader) (c conditions, err error) {
	var errs [2]error
	c.match, errs[0] = parseTags(header, fasthttp.HeaderIfMatch)
	c.noneMatch, errs[1] = parseTags(header, fasthttp.HeaderIfNoneMatch)
	return c, errors.Join(errs[:]...)
}

// parseTags reads all fields of that name.
func parseTags(header *fasthttp.RequestHeader, name string) (*tagSet, error) {
	fields := header.PeekAll(name)
	if len(fields) == 0 {
		return nil, nil
	}
	var parts []string
	for _, field := range fields {
		parts = append(parts, string(field))
	}
	set, ok := readTags(strings.Join(parts, ","))
	if !ok {
		return nil, badRequest(`%s is %s; want "TAG" as ETag had it, some of these with commas between them, or *`,
			name, excerpt(strings.Join(parts, ", ")))
	}
	return &set, nil
}

// readTags reads "*", or a list of at least one entity tag (RFC 9110, 8.8.3).
func readTags(text string) (set tagSet, ok bool) {
	if strings.Trim(text, " \t") == "*" {
		return tagSet{any: true}, true
	}
	for {
		text = strings.TrimLeft(text, " \t,")
		if text == "" {
			return set, len(set.tags) > 0
		}
		var one string
		if one, text, ok = cutTag(text); !ok {
			return tagSet{}, false
		}
		set.tags = append(set.tags, one)
		if text = strings.TrimLeft(text, " \t"); text != "" && text[0] != ',' {
			return tagSet{}, false
		}
	}
}

const weak = "W/"

// cutTag cuts an entity tag off a text that begins with one.
func cutTag(text string) (one, rest string, ok bool) {
	begin := 0
	if strings.HasPrefix(text, weak) {
		begin = len(weak)
	}
	if begin == len(text) || text[begin] != '"' {
		return "", "", false
	}
	length := strings.IndexByte(text[begin+1:], '"')
	if length < 0 {
		return "", "", false
	}
	end := begin + 1 + length + 1
	opaque := text[begin+1 : end-1]
	isAllowed := !strings.ContainsFunc(opaque, func(r rune) bool { return r <= ' ' || r == 0x7f })
	return text[:end], text[end:], isAllowed
}

// hold returns an error if the bucket isn't one that the request is for; nil: there is none. It is
// a limiter.Condition.
func (c conditions) hold(present *limiter.Snapshot) error {
	if c.match != nil && !c.match.hasStrong(present) {
		return failed(present, "If-Match", "another operator may have written it, or it is gone")
	}
	if c.noneMatch != nil && c.noneMatch.hasWeak(present) {
		return failed(present, "If-None-Match", "there is one already")
	}
	return nil
}

// failed is a 412 that has the tag of the bucket that there is.
func failed(present *limiter.Snapshot, field, why string) error {
	refused := refuse(errPrecondition, "the bucket isn't as %s wants it: %s; nothing was changed: GET it to see", field, why)
	if present != nil {
		refused.tag = tag(present)
	}
	return refused
}

// hasStrong reports whether a bucket is in the set, by the strong comparison.
func (s *tagSet) hasStrong(present *limiter.Snapshot) bool {
	return present != nil && (s.any || slices.Contains(s.tags, tag(present)))
}

// hasWeak is hasStrong by the weak comparison.
func (s *tagSet) hasWeak(present *limiter.Snapshot) bool {
	return present != nil && (s.any || slices.ContainsFunc(s.tags, func(one string) bool {
		return strings.TrimPrefix(one, weak) == tag(present)
	}))
}

// unconditional refuses conditions, so that nobody takes a write for guarded that isn't.
func unconditional(c call) call {
	return func(ctx *fasthttp.RequestCtx) error {
		for _, name := range []string{fasthttp.HeaderIfMatch, fasthttp.HeaderIfNoneMatch} {
			if len(ctx.Request.Header.PeekAll(name)) > 0 {
				return badRequest("this call takes no %s; want it on PUT, PATCH or DELETE /buckets/CLIENT_ID", name)
			}
		}
		return c(ctx)
	}
}
