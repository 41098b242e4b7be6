package api

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestErrors(t *testing.T) {
	var all []RefusedMessage
	r := start(t, func(_ *Settings, s *Sources) { s.Errors = func() []RefusedMessage { return all } })
	got := r.do(t, request{method: "GET", target: "/errors"})
	assert.Equal(t, []any{200, "[]\n"}, []any{got.status, got.body})

	all = []RefusedMessage{
		{
			Time: Moment{time.Date(2026, 11, 23, 7, 21, 2, 0, time.UTC)}, Refused: "request", Method: "GET",
			Reason: "field-value", Field: "X-A", Offset: 31, Excerpt: "xx \x01<x>\r\n",
		},
		{Refused: "response", Reason: "status-line"},
	}
	assert.Equal(t, `[{"time":"2026-11-23T07:21:02.000Z","refused":"request","method":"GET","reason":"field-value","field":"X-A","offset":31,`+
		`"excerpt":"xx \u0001<x>\r\n"},`+
		`{"time":null,"refused":"response","method":"","reason":"status-line","field":"","offset":0,"excerpt":""}]`+"\n",
		r.do(t, request{method: "GET", target: "/errors"}).body)
	r.do(t, request{method: "GET", target: "/errors?x"}).problem(t, 400, "bad-request")
}

func TestNoErrors(t *testing.T) {
	r := start(t, func(_ *Settings, s *Sources) { s.Errors = nil })
	assert.Equal(t, "[]\n", r.do(t, request{method: "GET", target: "/errors"}).body)
}
