package api

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/balancer"
	"gopher-equalizer/limiter/gcra"
)

// Question is a request that is to be explained.
type Question struct {
	Method, Host string
	// Path may have a query.
	Path string
	// Headers are lines such as "X-Api-Key: k".
	Headers []string
	// ClientIP is who would connect.
	ClientIP netip.Addr
}

// Explanation is what would become of a request, in JSON. Names that the access log has too mean
// the same.
type Explanation struct {
	// ClientIP is who sends it, as trusted proxies in front tell; "" if its head is refused.
	ClientIP string `json:"client_ip"`
	// Path is the normal form of its path.
	Path string `json:"path"`
	// Result is "forwarded", "responded" by the route itself, or "refused". Status is the
	// response's; 200 stands for whatever a backend says.
	Result string `json:"result"`
	Status int    `json:"status"`
	// Reason, Field and Detail are why it would be refused.
	Reason string `json:"reason,omitempty"`
	Field  string `json:"field,omitempty"`
	Detail string `json:"detail,omitempty"`
	// Route is the name of its route; null if it has none. OtherRoutes are the nearest of the
	// others, and MoreRoutes how many there are besides.
	Route       *string       `json:"route"`
	OtherRoutes []MissedRoute `json:"other_routes"`
	MoreRoutes  int           `json:"more_routes"`
	// Limits are those of the route.
	Limits []ExplainedLimit `json:"limits"`
	// Pool is where it would go; null is nowhere. Pools are all that the route has.
	Pool  *string         `json:"pool"`
	Pools []ExplainedPool `json:"pools"`
	// Listeners are what each listener does before, with any request for its host. What is above
	// holds for those that it serves.
	Listeners []Listener `json:"listeners"`
}

// The results of an Explanation.
const (
	Forwarded = "forwarded"
	Responded = "responded"
	RefusedIt = "refused"
)

// MissedRoute is a route that the request doesn't get, and what of it the request doesn't match. If
// that is nothing, another one comes first.
type MissedRoute struct {
	Route   string   `json:"route"`
	Host    string   `json:"host,omitempty"`
	Path    string   `json:"path_prefix,omitempty"`
	Methods string   `json:"methods,omitempty"`
	Headers []string `json:"match_headers,omitempty"`
}

// ExplainedLimit is what a limit would say.
type ExplainedLimit struct {
	Limit string `json:"limit"`
	// Result is "allowed", "limited" or "exempt". ExemptBy is the configuration's key of what
	// exempts the request.
	Result   string `json:"limit_result"`
	ExemptBy string `json:"exempt_by,omitempty"`
	Key      string `json:"key"`
	ClientID string `json:"client_id,omitempty"`
	// Cost is how many tokens it takes, Tokens how many there are, and RetryAfter in how many
	// seconds there are enough; 0 if there are.
	Cost       int64        `json:"cost"`
	Tokens     int64        `json:"tokens"`
	Capacity   int64        `json:"capacity,omitempty"`
	Refill     *gcra.Refill `json:"refill,omitempty"`
	RetryAfter float64      `json:"retry_after_seconds"`
	// NextToken is in how many seconds there is one more; 0 if the bucket is full.
	NextToken float64 `json:"next_token_seconds"`
	// Tier is the tier that the bucket follows, and Managed reports whether an operator wrote it.
	Tier    string `json:"tier,omitempty"`
	Managed bool   `json:"managed"`
}

// ExplainedPool is a pool, and which of its backends get requests.
type ExplainedPool struct {
	Pool     string             `json:"pool"`
	Backends []ExplainedBackend `json:"backends"`
}

// ExplainedBackend is a backend. Why is why it is not available; "" if it is.
type ExplainedBackend struct {
	Backend   string `json:"backend"`
	Available bool   `json:"available"`
	Why       string `json:"why,omitempty"`
}

// explainPath may be called with POST by whoever may only read: it changes nothing.
const explainPath = "/explain"

// explain serves an explanation.
func (s *snapshot) explain(ctx *fasthttp.RequestCtx) error {
	body, err := jsonBody(&ctx.Request)
	if err != nil {
		return err
	}
	q, err := decodeQuestion(body)
	if err != nil {
		return err
	}
	if s.sources.Explain == nil {
		return ErrStarting
	}
	e := s.sources.Explain(q)
	s.addBuckets(e.Limits)
	for i := range e.Pools {
		e.Pools[i].Backends = s.explainBackends(e.Pools[i].Pool)
	}
	return writeJSON(ctx, fasthttp.StatusOK, e)
}

// addBuckets adds what is known of the buckets of those clients that have one.
func (s *snapshot) addBuckets(limits []ExplainedLimit) {
	for i := range limits {
		l := &limits[i]
		if s.sources.Reader == nil || l.ClientID == "" {
			continue
		}
		if bucket, err := s.sources.Reader.Get(l.Limit, l.ClientID); err == nil {
			l.Tier, l.Managed = bucket.Tier, bucket.Managed
		}
	}
}

// explainBackends are a pool's backends.
func (s *snapshot) explainBackends(pool string) []ExplainedBackend {
	all := []ExplainedBackend{}
	for _, b := range s.sources.Backends() {
		if b.Pool == pool {
			why := whyNot(b)
			all = append(all, ExplainedBackend{Backend: b.Name(), Available: why == "", Why: why})
		}
	}
	return all
}

// whyNot is why a backend gets no requests; "" if it does.
func whyNot(b balancer.BackendStatus) string {
	switch {
	case b.EffectiveWeight > 0 && b.MaxInFlight > 0 && b.InFlight >= b.MaxInFlight:
		return fmt.Sprintf("full: it has %d requests in flight, as many as it may", b.InFlight)
	case b.EffectiveWeight > 0:
		return ""
	case b.State != balancer.Ready:
		return fmt.Sprintf("its state is %s", b.State)
	case b.LastProbe == "":
		return "it was not probed yet"
	case !b.Healthy:
		return fmt.Sprintf("down: %s, at %s", b.LastProbe, b.LastProbeAt.Format(time.RFC3339))
	case b.Ejected:
		return fmt.Sprintf("ejected until %s: %s", b.EjectedUntil.Format(time.RFC3339), b.EjectedWhy)
	case b.Backup:
		return "a backup: it gets requests only while no other backend is available"
	}
	return "its pool doesn't use it now"
}

// decodeQuestion reads {host, method?, path?, headers?, client_ip?}.
func decodeQuestion(body []byte) (Question, error) {
	q := Question{Method: "GET", Path: "/", ClientIP: netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	text := func(name string, to *string) func([]byte) error {
		return func(raw []byte) (err error) {
			if *to, err = textOf(name, raw); err == nil {
				err = checkLine(name, *to)
			}
			return err
		}
	}
	err := decodeObject(body, memberDecoders{
		"method": text("method", &q.Method),
		"host":   text("host", &q.Host),
		"path":   text("path", &q.Path),
		"headers": func(raw []byte) (err error) {
			q.Headers, err = decodeHeaders(raw)
			return err
		},
		"client_ip": func(raw []byte) error {
			given, err := textOf("client_ip", raw)
			if err != nil {
				return err
			}
			addr, err := netip.ParseAddr(given)
			if err != nil || addr.Zone() != "" {
				return badRequest("client_ip is %s; want an address, such as 192.0.2.1 or 2001:db8::1", excerpt(fmt.Sprintf("%q", given)))
			}
			q.ClientIP = addr.Unmap()
			return nil
		},
	})
	if err == nil && q.Host == "" {
		err = badRequest("host is missing; want whom the request is for, such as www.example.com")
	}
	return q, err
}

// decodeHeaders reads an array of header lines.
func decodeHeaders(raw []byte) ([]string, error) {
	lines, err := textsOf("headers", raw)
	if err != nil {
		return nil, err
	}
	for _, line := range lines {
		if !strings.Contains(line, ":") {
			return nil, badRequest("headers has %s; want lines such as \"X-Version: 2\"", excerpt(fmt.Sprintf("%q", line)))
		}
		if err := checkLine("headers", line); err != nil {
			return nil, err
		}
	}
	return lines, nil
}

// checkLine refuses what would be more than a part of a line. What else is wrong with a request is
// told by its explanation.
func checkLine(member, text string) error {
	if at := strings.IndexFunc(text, unicode.IsControl); at >= 0 {
		return badRequest("%s has a control character at byte %d; want none", member, at)
	}
	return nil
}
