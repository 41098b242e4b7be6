package api

import (
	"bufio"
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeTail tells of what it is given.
type fakeTail struct {
	lines  chan string
	missed int64
	closed chan struct{}
}

func (f *fakeTail) Next(ctx context.Context) ([]byte, int64, error) {
	select {
	case line := <-f.lines:
		return []byte(line), f.missed, nil
	case <-ctx.Done():
		return nil, 0, context.Cause(ctx)
	}
}

func (f *fakeTail) Close() { close(f.closed) }

// A stream has the lines that are wanted, and tells how many it leaves out.
func TestTail(t *testing.T) {
	r := start(t, withToken)
	r.do(t, request{method: "GET", target: "/tail"}).problem(t, 401, "unauthorized")
	withAuth := []string{"Authorization: Bearer s3cret"}
	r.do(t, request{method: "GET", target: "/tail", header: withAuth}).problem(t, 503, "starting")

	fake := &fakeTail{lines: make(chan string, 2), missed: 3, closed: make(chan struct{})}
	var wanted TailFilter
	sources := newSources(r.fake)
	sources.Tail = func(f TailFilter) Tail { wanted = f; return fake }
	r.server.Configure(Settings{Token: "s3cret", WriteTimeout: time.Minute}, sources)
	conn, err := r.ln.Dial()
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte(request{method: "GET", target: "/tail?status=4xx&route=a%26b&client=192.0.2.1&reason=limited&min_duration=250ms", header: withAuth}.raw()))
	require.NoError(t, err)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.Equal(t, 200, response.StatusCode)
	fake.lines <- `{"status":429}` + "\n"
	stream := bufio.NewReader(response.Body)
	var missed LeftOut
	require.Equal(t, "left_out", event(t, stream, &missed))
	assert.EqualValues(t, 3, missed.Requests)
	var line struct{ Status int }
	require.Equal(t, "line", event(t, stream, &line))
	assert.Equal(t, 429, line.Status)
	assert.Equal(t, TailFilter{LeastStatus: 400, MostStatus: 499, Route: "a&b", Client: "192.0.2.1", Reason: "limited", AtLeast: 250 * time.Millisecond}, wanted)

	r.server.Configure(Settings{Token: "other", WriteTimeout: time.Minute}, sources)
	_, err = stream.ReadString(0)
	require.Error(t, err, "it has ended")
	<-fake.closed
}

func TestTailsAreBounded(t *testing.T) {
	r := start(t, nil)
	sources := newSources(r.fake)
	sources.Tail = func(TailFilter) Tail { return &fakeTail{closed: make(chan struct{})} }
	r.server.Configure(Settings{WriteTimeout: time.Minute}, sources)
	r.server.tails.Store(mostTails)
	r.do(t, request{method: "GET", target: "/tail"}).problem(t, 429, "too-many-streams")
	assert.EqualValues(t, mostTails, r.server.tails.Load())
}

func TestParseTail(t *testing.T) {
	good := func(query string, want TailFilter) {
		t.Helper()
		got, err := parseTail("/tail" + query)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	good("", TailFilter{})
	good("?status=404", TailFilter{LeastStatus: 404, MostStatus: 404})
	good("?status=5xx", TailFilter{LeastStatus: 500, MostStatus: 599})
	good("?status=400-499", TailFilter{LeastStatus: 400, MostStatus: 499})
	good("?client=%5B::1%5D", TailFilter{Client: "[::1]"})
	bad := func(query, want string) {
		t.Helper()
		_, err := parseTail("/tail" + query)
		assert.ErrorContains(t, err, want)
	}
	bad("?status=", "want one such as 404")
	bad("?status=99", "want one such as 404")
	bad("?status=499-400", "want one such as 404")
	bad("?status=xx", "want one such as 404")
	bad("?status=600", "want one such as 404")
	bad("?min_duration=1", "want a duration, such as 250ms")
	bad("?min_duration=-1s", "want a duration, such as 250ms")
	bad("?route=a&route=b", "the query has route twice")
	bad("?pool=a", `unknown query parameter "pool"`)
	bad("?a=%zz", "want it percent-encoded")
}

func FuzzParseTail(f *testing.F) {
	f.Add("/tail?status=4xx&route=a%26b&client=192.0.2.1&reason=limited&min_duration=250ms")
	f.Add("/tail?status=400-499")
	f.Fuzz(func(t *testing.T, target string) {
		got, err := parseTail(target)
		if err == nil {
			assert.True(t, got.MostStatus == 0 && got.LeastStatus == 0 || 100 <= got.LeastStatus && got.LeastStatus <= got.MostStatus && got.MostStatus <= 599)
			assert.GreaterOrEqual(t, got.AtLeast, time.Duration(0))
		}
	})
}
