//go:build linux

package play

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench/lab/differ/corpus"
	"gopher-equalizer/bench/lab/differ/strict"
)

func responses(statuses ...int) (all []*strict.Response) {
	for _, s := range statuses {
		all = append(all, &strict.Response{Status: s})
	}
	return all
}

func request(method, target, body string) Seen {
	return Seen{Request: &strict.Request{Method: method, Target: target, Body: strict.Body{Data: []byte(body)}}}
}

func TestOutcomeOfRequest(t *testing.T) {
	next := request("GET", "/behind", "")
	f := func(want string, end End, statuses []*strict.Response, seen ...Seen) {
		t.Helper()
		assert.Equal(t, want, ofRequest(corpus.Case{}, Heard{Responses: statuses, End: end}, seen).Text)
	}
	f(`POST /case "hello"`, Open, responses(200, 200), request("POST", "/case", "hello"), next)
	f(`GET /a; GET /b`, Open, responses(100, 200, 200, 200), request("GET", "/a", ""), request("GET", "/b", ""), next)
	f(`400`, Ended, responses(400))
	f(`closed`, Ended, nil)
	f(`close: GET /a`, Ended, responses(200), request("GET", "/a", ""))
	f(`GET /a then 400`, Ended, responses(200, 400), request("GET", "/a", ""))
	f(`waits | nothing`, Waits, nil)
	f(`200 waits | GET /a; malformed`, Waits, responses(200), request("GET", "/a", ""), Seen{Err: strict.Malformed{}})
	f(`405 200 open | GET /behind`, Open, responses(405, 200), next)
	// A response too few, and one too many.
	f(`200 close | GET /a; GET /smuggled`, Ended, responses(200), request("GET", "/a", ""), request("GET", "/smuggled", ""))
	f(`200 200 close | GET /a`, Ended, responses(200, 200), request("GET", "/a", ""))
}

func TestOutcomeOfRequestInDetail(t *testing.T) {
	seen := request("GET", "/a", "")
	seen.Request.Fields = strict.Fields{{Name: "TE", Value: "a\tb\xff"}, {Name: "X", Value: "y"}, {Name: "te", Value: ""}}
	seen.Request.Trailers = strict.Fields{{Name: "X-T", Value: "z"}}
	cut := Seen{Err: strict.ErrCut}
	o := ofRequest(corpus.Case{Watch: []string{"te", "none"}}, Heard{Responses: responses(200), End: Ended}, []Seen{seen, cut})
	assert.Equal(t, Outcome{`close: GET /a [te: a\tb\xff; te: ] +x-t: z`, true}, o)
}

func TestOutcomeOfResponse(t *testing.T) {
	f := func(want string, heard Heard) {
		t.Helper()
		assert.Equal(t, want, ofResponse(corpus.Case{Watch: []string{"a"}}, heard).Text)
	}
	full := responses(103, 103, 200)
	full[2].Data = []byte("hello")
	full[2].Fields = strict.Fields{{Name: "A", Value: "b"}}
	f(`103 200 "hello" [a: b]`, Heard{Responses: full, End: Open})
	f(`103 200 "hello" [a: b] close`, Heard{Responses: full, End: Ended})
	f(`103 200 cut`, Heard{Responses: full, End: Ended, Err: strict.ErrCut})
	f(`502`, Heard{Responses: responses(502), End: Open})
	f(`waits`, Heard{End: Waits})
	f(`200 another's response`, Heard{Responses: responses(200), End: poisoned})
}

func TestMeets(t *testing.T) {
	f := func(want string, met bool, outcomes ...string) {
		t.Helper()
		for _, o := range outcomes {
			assert.Equal(t, met, Outcome{Text: o}.Meets(want), o)
		}
	}
	f("400", true, "400")
	f("400", false, "closed", "400 close | nothing", "GET /case")
	f("400 cut", true, "400")
	f("gone", true, "400", "closed")
	f("gone", false, "GET /case")
	f("broken", true, "502", "502 close", "200 cut")
	f("broken", false, `200 "hello"`, "close")
	assert.False(t, Outcome{Text: "400", Partial: true}.Meets("400"))
	assert.True(t, Outcome{Text: "400", Partial: true}.Meets("400 cut"))
	assert.Equal(t, "broken", Outcome{Text: "200 cut"}.Words("broken"))
	assert.Equal(t, "200 cut", Outcome{Text: "200 cut"}.Words("400"))
}

func TestSmuggled(t *testing.T) {
	assert.True(t, Outcome{Text: "200 200 open | GET /case; GET /smuggled"}.Smuggled())
	assert.True(t, Outcome{Text: "POST /smuggled"}.Smuggled())
	assert.True(t, Outcome{Text: "close: GET /smuggled"}.Smuggled())
	assert.False(t, Outcome{Text: `POST /case "GET /smuggled HTTP/1.1"`}.Smuggled())
}

// TestASmugglerIsFound plays without a proxy, to a backend that reads two requests where one was
// meant.
func TestASmugglerIsFound(t *testing.T) {
	b, err := StartBackend()
	require.NoError(t, err)
	defer b.Close()
	p := Proxy{Client: Client{Addr: b.Addr(), Patience: patience}, Backend: b}
	o, err := p.Request(corpus.Case{Text: "GET /case HTTP/1.1\r\nHost: a\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"})
	require.NoError(t, err)
	assert.Equal(t, "GET /case; GET /smuggled", o.Text)
	assert.True(t, o.Smuggled())

	// And one that gives the next request a response that isn't its own.
	o, err = p.Response(corpus.Case{Ask: "GET /case HTTP/1.1", Text: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"})
	require.NoError(t, err)
	assert.Equal(t, "200 another's response", o.Text)
	o, err = p.Response(corpus.Case{Ask: "GET /case HTTP/1.1", Waits: true, Text: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Late: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"})
	require.NoError(t, err)
	assert.Equal(t, "200 another's response", o.Text)
}
