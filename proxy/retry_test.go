package proxy

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer"
)

// retrying are settings with these retries.
func retrying(most int, change func(r *Retry)) setup {
	s := settings()
	s.Route.Retry = Retry{
		Retry:    balancer.Retry{Most: most},
		Statuses: balancer.NewStatusSet([]balancer.StatusRange{{First: 502, Last: 504}}),
		Body:     64 << 10,
	}
	if change != nil {
		change(&s.Route.Retry)
	}
	return s
}

const unavailable = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\n\r\nbad"

func bare(method string) string { return method + " / HTTP/1.1\r\nHost: x\r\n\r\n" }

// A response whose status is retried is dropped if another backend can be asked, and that can't do
// harm.
func TestRetryOfStatuses(t *testing.T) {
	f := func(request, first, want string, retries int) {
		t.Helper()
		bad, gotBad := answering(t, first)
		good, gotGood := answering(t, ok)
		p := startProxy(t, retrying(1, nil), poolOf(t, connectionSettings(), bad.addr, good.addr), nil)
		assert.Equal(t, want, p.dial().do(request).body, request)
		assert.Len(t, gotBad.list(), 1)
		assert.Len(t, gotGood.list(), retries)
		assert.EqualValues(t, retries, p.Stats().Retries)
	}
	f(bare("GET"), unavailable, "ok", 1)
	f(bare("DELETE"), unavailable, "ok", 1)
	f("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx", unavailable, "ok", 1)
	f(bare("POST"), unavailable, "bad", 0)
	f(sized(4)+"body", unavailable, "bad", 0)
	f(bare("GET"), strings.Replace(unavailable, "503", "500", 1), "bad", 0)
	f(bare("GET"), "HTTP/1.1 103 Early Hints\r\n\r\n"+unavailable, "bad", 0)
}

// The client gets the last response if all have such a status, and the connections are kept.
func TestRetryOfStatusesEnds(t *testing.T) {
	one, _ := answering(t, unavailable)
	two, _ := answering(t, unavailable)
	p := startProxy(t, retrying(1, nil), poolOf(t, connectionSettings(), one.addr, two.addr), nil)
	c := p.dial()
	for range 3 {
		a := c.do(bare("GET"))
		assert.Equal(t, 503, a.StatusCode)
		assert.Equal(t, "bad", a.body)
	}
	assert.EqualValues(t, 3, p.Stats().Retries)
	assert.EqualValues(t, 2, one.conns.Load()+two.conns.Load())
	for _, b := range p.pool.balancers[0].Status() {
		assert.EqualValues(t, 3, b.Requests-1, "the first is the probe's")
		assert.Zero(t, b.InFlight)
		assert.Zero(t, b.Failures)
	}
	assert.Contains(t, strings.Join(p.log.lines(), "\n"), `"reason":"status 503"`)
}

// A body that is kept is sent again from its beginning, wherever the first attempt broke.
func TestRetryWithBody(t *testing.T) {
	f := func(request string, keeps int, resent bool) {
		t.Helper()
		breaking := startBackend(t, func(c *conn, _ int) {
			if resent {
				c.readHead()
			} else {
				c.readRequest() // So more was sent than is kept.
			}
		})
		good, got := answering(t, ok)
		s := retrying(1, func(r *Retry) { r.Body = keeps })
		p := startProxy(t, s, poolOf(t, connectionSettings(), breaking.addr, good.addr), nil)
		c := p.dial()
		a := c.do(request)
		if !resent {
			p.isProblem(a, 502, "backend-broken")
			assert.Empty(t, got.list())
			return
		}
		assert.Equal(t, "ok", a.body)
		require.Len(t, got.list(), 1)
		_, want, _ := strings.Cut(request, "\r\n\r\n")
		_, body, _ := strings.Cut(got.list()[0], "\r\n\r\n")
		if strings.Contains(request, "chunked") {
			want, body = strings.Trim(unchunked(want), "\r\n"), unchunked(body)
		}
		assert.Equal(t, want, body)
		assert.Equal(t, "ok", c.do(bare("GET")).body, "the connection goes on")
	}
	put := func(size int) string {
		return strings.Replace(sized(size), "POST", "PUT", 1) + strings.Repeat("0123456789", size/10)
	}
	chunks := strings.Replace(chunked, "POST", "PUT", 1) + strings.Repeat("a\r\n0123456789\r\n", 3000) + "0\r\n\r\n"
	f(put(100), 100, true)
	f(put(100), 99, false)
	f(put(60_000), 64<<10, true)
	f(put(70_000), 64<<10, false)
	f(chunks, 64<<10, true)
	f(chunks, 20_000, false)
	f(sized(100)+strings.Repeat("0123456789", 10), 64<<10, false)
}

// unchunked is the data of a chunked body whose data have no line ends, and whose chunks have more
// than 9 bytes.
func unchunked(body string) string {
	var data strings.Builder
	for line := range strings.SplitSeq(body, "\r\n") {
		if len(line) >= 10 {
			data.WriteString(line)
		}
	}
	return data.String()
}

// An attempt that takes longer than it may is followed by another one, and what can't be sent again
// has all of its time.
func TestRetryAfterPerTryTimeout(t *testing.T) {
	release := make(chan struct{})
	silent := startBackend(t, func(c *conn, _ int) {
		if request := c.readRequest(); strings.HasPrefix(request, "POST") {
			c.send(ok)
		}
		<-release
	})
	defer close(release)
	good, _ := answering(t, ok)
	cs := connectionSettings()
	cs.Timeouts.Shortest = brief
	s := retrying(1, func(r *Retry) { r.PerTry = brief })
	p := startProxy(t, s, poolOf(t, cs, silent.addr, good.addr), nil)
	assert.Equal(t, "ok", p.dial().do(bare("GET")).body)
	assert.EqualValues(t, 1, p.Stats().Retries)
	assert.EqualValues(t, 1, p.pool.balancers[0].Status()[0].Failures)

	alone := startProxy(t, s, poolOf(t, cs, silent.addr), nil)
	alone.isProblem(alone.dial().do(bare("GET")), 504, "backend-late")
	assert.EqualValues(t, 1, alone.Stats().Retries)
	assert.Equal(t, "ok", alone.dial().do(bare("POST")).body)
}

// The wait before a retry ends when the client leaves.
func TestClientLeavesBeforeRetry(t *testing.T) {
	broken := make(chan struct{}, 10)
	breaking := startBackend(t, func(c *conn, _ int) {
		c.readRequest()
		broken <- struct{}{}
	})
	s := retrying(3, func(r *Retry) { r.Backoff, r.MaxBackoff = 24*time.Hour, 24*time.Hour })
	p := startProxy(t, s, poolOf(t, connectionSettings(), breaking.addr, breaking.addr, breaking.addr), nil)
	c := p.dial()
	require.True(t, c.send(bare("GET")))
	<-broken
	<-broken
	require.NoError(t, c.Close())
	require.Eventually(t, func() bool { return p.Stats().ClientGone == 1 }, patience, time.Millisecond)
	assert.EqualValues(t, 1, p.Stats().Retries)
	assert.Empty(t, broken)
}

func TestRetryWait(t *testing.T) {
	r := Retry{Backoff: 25 * time.Millisecond, MaxBackoff: 60 * time.Millisecond}
	assert.Zero(t, r.wait(0), "the first retry is made at once")
	for others, most := range map[int]time.Duration{1: 25, 2: 50, 3: 60} {
		longest := time.Duration(0)
		for range 1000 {
			longest = max(longest, r.wait(others))
		}
		assert.LessOrEqual(t, longest, most*time.Millisecond)
		assert.Greater(t, longest, most*time.Millisecond/2)
	}
	assert.Zero(t, (&Retry{}).wait(1))
}

// Past the pool's budget, a request that fails isn't retried, and a response stands.
func TestRetryBudget(t *testing.T) {
	bad, _ := answering(t, unavailable)
	breaking := startBackend(t, func(c *conn, _ int) { c.readRequest() })
	s := balancer.Settings{
		Name: "test", RetryBudget: &balancer.BudgetSettings{Floor: 1}, NewProber: NewBackends(connectionSettings()).New,
		Health: balancer.HealthSettings{Type: balancer.HealthTCP, Interval: time.Minute, Timeout: patience, Rise: 1, Fall: 1},
	}
	for _, addr := range []string{bad.addr, breaking.addr} {
		s.Backends = append(s.Backends, balancer.BackendSettings{URL: "http://" + addr, Addr: addr, Weight: 1, State: balancer.Ready})
	}
	p := startProxy(t, retrying(1, nil), probed(t, s), nil)
	c := p.dial()
	p.isProblem(c.do(bare("GET")), 502, "backend-broken")
	assert.EqualValues(t, 1, p.Stats().Retries)
	p.isProblem(c.do(bare("GET")), 502, "backend-broken")
	assert.Equal(t, 503, c.do(bare("GET")).StatusCode)
	assert.EqualValues(t, 1, p.Stats().Retries)
	require.Eventually(t, func() bool {
		return strings.Count(strings.Join(p.log.lines(), "\n"), `"no_retry":"`+balancer.ErrBudget.Error()+`"`) == 2
	}, patience, time.Millisecond)
}
