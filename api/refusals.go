package api

import (
	"net/url"
	"strings"

	"github.com/valyala/fasthttp"
)

// RefusedRequest is a request that got an error of the proxy's own, in JSON. Names that the access
// log has too mean the same.
type RefusedRequest struct {
	Time Moment `json:"time"`
	// RequestID is cut behind 40 bytes.
	RequestID string `json:"request_id"`
	ClientIP  string `json:"client_ip"`
	// Route is the name of its route; "" if it has none.
	Route  string `json:"route"`
	Status int    `json:"status"`
	Reason string `json:"reason"`
	// Limit is the first that refused it, and ClientID whom it counted, cut behind 80 bytes; ""
	// if none did.
	Limit    string `json:"limit,omitempty"`
	ClientID string `json:"client_id,omitempty"`
	// OneIn is how many such requests it stands for: under a flood not all are kept.
	OneIn int `json:"one_in"`
}

// RefusedClient is a client that a limit refuses.
type RefusedClient struct {
	Limit string `json:"limit"`
	// ClientID is cut behind 80 bytes.
	ClientID string `json:"client_id"`
	// Requests is how many of its requests were refused in the last 10 minutes; under a flood it is
	// an estimate. Last is when the last was.
	Requests int64  `json:"requests"`
	Last     Moment `json:"last"`
}

// RefusalPath is the path of the refusal of a request's id.
func RefusalPath(requestID string) string { return "/refusals/" + url.PathEscape(requestID) }

// getRefusal serves why a request was refused.
func (s *snapshot) getRefusal(ctx *fasthttp.RequestCtx) error {
	id, err := url.PathUnescape(ctx.UserValue("request_id").(string))
	if err != nil {
		return badRequest("the request id in the path: %v; want it percent-encoded", err)
	}
	if s.sources.Refusal != nil {
		if found, ok := s.sources.Refusal(id); ok {
			return writeJSON(ctx, fasthttp.StatusOK, found)
		}
	}
	return refuse(errNoRefusal, "no request of this id was refused in the last 10 minutes, or it wasn't kept, as there were many: the log says more")
}

// Each limit has so many clients in a listing of those that are refused most.
const (
	defaultTop = 10
	maxTop     = 100
)

// listRefusals serves the clients that each limit refuses most.
func (s *snapshot) listRefusals(ctx *fasthttp.RequestCtx) error {
	most, err := parseTop(string(ctx.RequestURI()))
	if err != nil {
		return err
	}
	return writeJSON(ctx, fasthttp.StatusOK, s.refusedMost(most))
}

// refusedMost are the clients that each limit refuses most, at most so many of each.
func (s *snapshot) refusedMost(most int) []RefusedClient {
	all := []RefusedClient{}
	if s.sources.RefusedMost != nil {
		all = append(all, s.sources.RefusedMost(most)...)
	}
	return all
}

// parseTop reads how many clients of each limit are asked for: a query of top=N and nothing else,
// or none.
func parseTop(target string) (int, error) {
	_, query, found := strings.Cut(target, "?")
	if !found {
		return defaultTop, nil
	}
	text, found := strings.CutPrefix(query, "top=")
	if !found {
		return 0, badRequest("this call takes no query parameters, except top=N")
	}
	return parseCount("top", text, 1, maxTop)
}
