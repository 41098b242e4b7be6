package proxy

import (
	"encoding/json"
	"net/netip"
	"time"

	"gopher-equalizer/limiter"
	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/netconn"
	"gopher-equalizer/proxy/outcome"
	"gopher-equalizer/proxy/route"
)

// Question is a request that is to be explained, as it would come in clear. No part of it has a CR
// or LF.
type Question struct {
	Method, Host string
	// Target is the path, perhaps with a query.
	Target string
	// Fields are header lines, such as "X-Api-Key: k".
	Fields []string
	// Peer is the address of who would connect.
	Peer netip.Addr
}

// Explanation is what would become of a request.
type Explanation struct {
	// Client is who sends it, as the trusted proxies in front tell; the zero Addr if its head is
	// refused.
	Client netip.Addr
	// Path is the normal form of its path.
	Path string
	// Route is the name of its route; HasRoute is false if there is none. Misses are the nearest of
	// the others, and OtherMisses how many more there are.
	Route       string
	HasRoute    bool
	Misses      []route.Miss
	OtherMisses int
	// Limits are those of the route.
	Limits []ExplainedLimit
	// Pools are those that the route has, and Pool is the one that it would go to; "" if none.
	Pools []string
	Pool  string
	// Forwards reports whether a backend would get it. Else Status is that of our own response.
	Forwards bool
	Status   int
	// Reason and Field are why it would be refused, as the log has them, and Detail is what the
	// client would be told of it. All are "" if it wouldn't.
	Reason, Field, Detail string
}

// ExplainedLimit is what a limit would say to a request.
type ExplainedLimit struct {
	Name, Key string
	// Cost is how many tokens it would take.
	Cost int64
	// Exempt reports whether the limit doesn't count the request, because of ExemptPreflights or of
	// the exemption of index ExemptBy. What follows is then empty.
	Exempt, Preflight bool
	ExemptBy          int
	// ClientID is whom it is counted for, a hash if the key is secret. Decision is what the bucket
	// holds now, and whether that is a reason to refuse.
	ClientID string
	limiter.Decision
	// NextToken is in how long the bucket has one more token; 0 if it is full.
	NextToken time.Duration
}

// missesShown is how many of the routes are told that a request doesn't get.
const missesShown = 8

// Explain tells what would become of a request now. It takes the way of every request up to where
// tokens are taken and a backend is picked, and does neither: it spends, counts and sends nothing.
func (p *Proxy) Explain(q Question) Explanation {
	r := newRequest(&p.shared, &rehearsal{head: q.head(), peer: q.Peer})
	r.snapshot, r.listener, r.arrived = p.snapshot.Load(), &Listener{}, &Listener{}
	r.result.From.Peer = q.Peer
	var e Explanation
	err := r.rehearse(&e)
	if e.Forwards = err == nil; !e.Forwards {
		r.tell(err, &e)
	}
	return e
}

// head is the request's, as it would come over HTTP/1.1.
func (q Question) head() []byte {
	head := q.Method + " " + q.Target + " HTTP/1.1\r\nHost: " + q.Host + "\r\n"
	for _, field := range q.Fields {
		head += field + "\r\n"
	}
	return []byte(head + "\r\n")
}

// rehearsal is the Stream of a request that is explained. Nothing that it lacks is asked for before
// a backend is picked.
type rehearsal struct {
	Stream
	head   []byte
	parsed http1.Request
	peer   netip.Addr
}

func (h *rehearsal) ReadHead() (*http1.Request, error) {
	if why := h.parsed.Parse(h.head); why != nil {
		return &h.parsed, why
	}
	return &h.parsed, nil
}

func (h *rehearsal) Secured() *netconn.Secured { return nil }

func (h *rehearsal) Last() {}

// rehearse is run without what it would do. It returns why the request would end here.
func (r *request) rehearse(e *Explanation) error {
	if err := r.read(); err != nil {
		return err
	}
	e.Client = r.result.From.Addr
	err := r.choose()
	r.tellRoute(e)
	if r.chosen == nil || err != nil {
		return err
	}
	noWay := r.aim()
	if r.to != nil {
		e.Pool = r.to.Name
	}
	limited := r.foresee(e)
	switch {
	case noWay != nil:
		return noWay
	case limited != nil:
		return limited
	case r.endsHere():
		return outcome.Recipient(r.head.Received)
	case r.chosen.respondsItself():
		return r.respond()
	case r.to.Pool.Full():
		return outcome.BackendBusy
	}
	return nil
}

// tellRoute tells the route that the request has, and why it has none of the others.
func (r *request) tellRoute(e *Explanation) {
	h, routes := r.head.Received, r.snapshot.Routes
	e.Path = string(r.path.Normal())
	found, verdict := routes.Match(h.Host, h.Method, &r.path, h.Fields)
	if e.HasRoute = verdict == route.Found; e.HasRoute {
		e.Route = found.Name
		for _, to := range found.Value.destinations() {
			e.Pools = append(e.Pools, to.Name)
		}
	}
	e.Misses, e.OtherMisses = routes.Misses(h.Host, h.Method, &r.path, h.Fields, found, missesShown)
}

// foresee is charge for a request that takes nothing.
func (r *request) foresee(e *Explanation) error {
	for i := range r.chosen.Limits {
		use := &r.chosen.Limits[i]
		by, ambiguous := r.exemption(use)
		if ambiguous {
			return r.ambiguous()
		}
		l := ExplainedLimit{
			Name: use.Name, Key: use.Key.String(), Cost: use.Cost,
			Exempt: by != route.None, Preflight: by == byPreflight, ExemptBy: by,
		}
		if !l.Exempt {
			r.chargeBy(use)
		}
		e.Limits = append(e.Limits, l)
	}
	uses := r.charges.uses
	allowed := limiter.Look(uses)
	for i := range e.Limits {
		if l := &e.Limits[i]; !l.Exempt {
			l.ClientID, l.Decision, l.NextToken = uses[0].ClientID, uses[0].Decision, nextToken(uses[0])
			uses = uses[1:]
		}
	}
	if !allowed {
		r.charges.refuse(&r.own)
		return outcome.Limited
	}
	return nil
}

// nextToken is when the bucket that was looked at has one more token: when it would let pass who
// asks for so many.
func nextToken(seen limiter.Use) time.Duration {
	if seen.Decision.Remaining >= seen.Decision.Settings.Capacity {
		return 0
	}
	seen.Cost = seen.Decision.Remaining + 1
	one := []limiter.Use{seen}
	limiter.Look(one)
	return one[0].Decision.RetryAfter
}

// tell tells of the response of our own to a request that ends here because of err.
func (r *request) tell(err error, e *Explanation) {
	o := &r.result
	o.Fail(err)
	o.Reply(&r.own)
	e.Status = r.own.Status
	if o.Failure == outcome.Own || o.Failure == outcome.FinalRecipient {
		return
	}
	e.Reason, e.Field = o.Reason()
	var told struct{ Detail string }
	if json.Unmarshal(r.own.Body, &told) == nil {
		e.Detail = told.Detail
	}
}
