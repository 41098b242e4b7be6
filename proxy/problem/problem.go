// Package problem writes the responses that say what went wrong: RFC 9457 problem details, in JSON.
package problem

import "github.com/valyala/fasthttp"

// ContentType is the media type of a problem's body (RFC 9457, section 3).
const ContentType = "application/problem+json"

// Namespace comes before the name of a problem in its Type, where the problem is one of ours.
const Namespace = "urn:gopher-equalizer:"

// Problem is one response that says what went wrong. It must hold nothing that a client shouldn't
// know.
type Problem struct {
	// Type is a URI that names the kind of problem; "" stands for about:blank, a
	// problem that says no more than its status.
	Type string
	// Title says in a few words what kind of problem it is, the same words each time.
	Title string
	// Status is the HTTP status code.
	Status int
	// Detail says what was wrong with this request, for people. "" leaves it out.
	Detail string
	// Extra are further members, in this order.
	Extra []Member
}

// Member is an extension member (RFC 9457, section 3.2).
type Member struct {
	// Name starts with a letter, and holds letters, digits and hyphens; none of "type",
	// "title", "status", "detail" and "instance".
	Name string
	// Value is anything that encoding/json can write; one that it can't write is left out.
	Value any
}

// Of returns the problem that says no more than an HTTP status and, in detail, why.
func Of(status int, detail string) Problem {
	return Problem{Title: fasthttp.StatusMessage(status), Status: status, Detail: detail}
}

// QuotaExceeded is the problem of a client that is over limits, without their names
// (draft-ietf-httpapi-ratelimit-headers-11, section "Quota Exceeded").
func QuotaExceeded() Problem {
	return Problem{
		Type:   "https://iana.org/assignments/http-problem-types#quota-exceeded",
		Title:  "Request cannot be satisfied as assigned quota has been exceeded",
		Status: fasthttp.StatusTooManyRequests,
	}
}

// Write makes p the response, and drops what that held before (a backend's half-copied header,
// say), except a Connection: close. So set what p is to carry, Retry-After for one, afterwards.
func Write(ctx *fasthttp.RequestCtx, p Problem) {
	start(ctx, p.Status)
	body := ctx.Response.SwapBody(nil)
	ctx.Response.SwapBody(Append(body[:0], p))
}

// Encoded is a problem that is the same every time, with its JSON made once: what floods
// are answered with. It is immutable.
type Encoded struct {
	status int
	body   []byte
}

// Status is the HTTP status code.
func (e Encoded) Status() int { return e.status }

// Open is the JSON up to where further members can follow, which must not be changed.
func (e Encoded) Open() []byte { return e.body[:len(e.body)-len(end)] }

// Body is the JSON, which must not be changed.
func (e Encoded) Body() []byte { return e.body }

// Encode makes p's JSON once and for all.
func Encode(p Problem) Encoded { return Encoded{status: p.Status, body: Append(nil, p)} }

// start empties the response and gives it a problem's status and type. Header names keep
// their spelling, as in "RateLimit", whatever the server's setting.
func start(ctx *fasthttp.RequestCtx, status int) {
	closing := ctx.Response.Header.ConnectionClose()
	ctx.Response.Reset()
	ctx.Response.Header.DisableNormalizing()
	ctx.Response.Header.SetContentType(ContentType)
	ctx.Response.SetStatusCode(status)
	if closing {
		ctx.Response.Header.SetConnectionClose()
	}
}
