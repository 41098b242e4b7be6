// Package problem writes RFC 9457 problem details: what a request's answer says, in JSON, when it failed.
package problem

import "github.com/valyala/fasthttp"

// ContentType is the media type of a problem's body (RFC 9457, section 3).
const ContentType = "application/problem+json"

// Problem is one answer that says what went wrong. It must hold nothing that a client shouldn't know.
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
	Name string
	// Value is anything that encoding/json can write; one that it can't write is left out.
	Value any
}

// Of returns the problem that says no more than an HTTP status and, in detail, why.
func Of(status int, detail string) Problem {
	return Problem{Title: fasthttp.StatusMessage(status), Status: status, Detail: detail}
}

// Append appends the problem's JSON to dst.
func Append(dst []byte, p Problem) []byte { return dst }

// Write makes p the answer: whatever the response held before is dropped, but for a
// Connection: close. Set further headers after it.
func Write(ctx *fasthttp.RequestCtx, p Problem) {}

// Encoded is a problem that is the same every time, with its JSON made once. Floods
// are answered with these. It is immutable.
type Encoded struct {
	status int
	body   []byte
}

// Encode makes p's JSON once and for all.
func Encode(p Problem) Encoded { return Encoded{status: p.Status, body: Append(nil, p)} }

// Write makes e the answer, as the function Write does, without an allocation.
func (e Encoded) Write(ctx *fasthttp.RequestCtx) {}
