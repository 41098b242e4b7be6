package api

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestRefusals(t *testing.T) {
	at := Moment{time.Date(2026, 11, 29, 7, 0, 0, 0, time.UTC)}
	most := 0
	r := start(t, func(_ *Settings, s *Sources) {
		s.Refusal = func(id string) (RefusedRequest, bool) {
			return RefusedRequest{Time: at, RequestID: id, ClientIP: "::1", Route: "api", Status: 429, Reason: "limited", Limit: "key", ClientID: "k", OneIn: 4}, id == "a/b"
		}
		s.RefusedMost = func(n int) []RefusedClient {
			most = n
			return []RefusedClient{{Limit: "key", ClientID: "<script>", Requests: 7, Last: at}}
		}
	})
	assert.Equal(t, `{"time":"2026-11-29T07:00:00.000Z","request_id":"a/b","client_ip":"::1","route":"api","status":429,"reason":"limited",`+
		`"limit":"key","client_id":"k","one_in":4}`+"\n", r.do(t, request{method: "GET", target: RefusalPath("a/b")}).body)
	r.do(t, request{method: "GET", target: "/refusals/x"}).problem(t, 404, "no-refusal")
	r.do(t, request{method: "GET", target: "/refusals/%zz"}).problem(t, 400, "bad-request")

	const all = `[{"limit":"key","client_id":"<script>","requests":7,"last":"2026-11-29T07:00:00.000Z"}]` + "\n"
	assert.Equal(t, all, r.do(t, request{method: "GET", target: "/refusals"}).body)
	assert.Equal(t, 10, most)
	assert.Equal(t, all, r.do(t, request{method: "GET", target: "/refusals?top=3"}).body)
	assert.Equal(t, 3, most)
	for _, query := range []string{"?", "?top", "?top=", "?top=0", "?top=101", "?top=1&top=2", "?n=1"} {
		r.do(t, request{method: "GET", target: "/refusals" + query}).problem(t, 400, "bad-request")
	}
	sample := r.server.current.Load().sample(passed{}, nil)
	assert.Equal(t, map[string][]RefusedClient{"key": {{Limit: "key", ClientID: "<script>", Requests: 7, Last: at}}}, sample.RefusedMost)
}

func TestNoRefusals(t *testing.T) {
	r := start(t, nil)
	assert.Equal(t, "[]\n", r.do(t, request{method: "GET", target: "/refusals"}).body)
	r.do(t, request{method: "GET", target: "/refusals/x"}).problem(t, 404, "no-refusal")
}
