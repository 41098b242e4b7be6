package netconn

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPace(t *testing.T) {
	const kb = 1000
	p := Pace{rate: kb, grace: 10 * time.Second}
	step := func(took time.Duration, n int, behind time.Duration) {
		t.Helper()
		p.Waited(took, n)
		require.Equal(t, behind, p.behind)
		require.Equal(t, behind >= p.grace, p.exceeded())
	}
	step(4*time.Second, 3*kb, time.Second)
	step(9*time.Second, kb/2, 9500*time.Millisecond)
	step(500*time.Millisecond, 0, 10*time.Second)
	step(time.Second, 2*kb, 9*time.Second)
	step(time.Second, 100*kb, -10*time.Second) // ahead by the grace at most
	step(20*time.Second, 0, 10*time.Second)

	p.behind = 5 * time.Second
	p.Passed(3 * kb)
	require.Equal(t, 2*time.Second, p.behind)
	p.Passed(1 << 30)
	require.Zero(t, p.behind, "the system's buffers earn nobody anything")

	for _, none := range []*Pace{nil, {}} {
		assert.False(t, none.Holds())
		none.Waited(time.Hour, 0)
		none.Passed(1)
		assert.False(t, none.exceeded())
	}
}

// shipped are the rate and the grace that are the defaults.
func shipped() ClientLimits {
	return ClientLimits{Read: time.Minute, Write: time.Minute, MinRate: 1 << 10, RateGrace: 30 * time.Second}
}

// paced is a client that sends a body, on a clock that costs no time.
func paced(t *testing.T, limits ClientLimits, test func(c *Client, theirs net.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		c := NewClients(limits).Add(ours, nil)
		c.Begin()
		c.Body(false)
		test(c, theirs)
		require.NoError(t, theirs.Close())
		require.NoError(t, c.Close())
		time.Sleep(2 * time.Hour) // A goroutine that still sends finds out.
	})
}

// sendEvery sends n bytes again and again, with pauses, and returns when that fails or d has
// passed.
func sendEvery(c net.Conn, pause time.Duration, n int, d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(pause) {
		if _, err := c.Write(make([]byte, n)); err != nil {
			return
		}
	}
}

// readAll reads until that fails.
func readAll(c *Client) (n int, err error) {
	buf := make([]byte, 32<<10)
	for err == nil {
		var m int
		m, err = c.Read(buf)
		n += m
	}
	return n, err
}

func TestSlowBody(t *testing.T) {
	f := func(pause time.Duration, n int, least, most time.Duration) {
		t.Helper()
		paced(t, shipped(), func(c *Client, theirs net.Conn) {
			go sendEvery(theirs, pause, n, time.Hour)
			began := time.Now()
			_, err := readAll(c)
			require.Equal(t, ErrTooSlow, err)
			require.Equal(t, ErrTooSlow, c.Err())
			took := time.Since(began)
			assert.GreaterOrEqual(t, took, least)
			assert.LessOrEqual(t, took, most)
		})
	}
	f(25*time.Second, 1, 30*time.Second, 31*time.Second)
	f(time.Second, 512, time.Minute, time.Minute+2*time.Second)
	f(40*time.Second, 10, 30*time.Second, 31*time.Second)
}

func TestSteadyBody(t *testing.T) {
	f := func(limits ClientLimits, pause time.Duration, n int) {
		t.Helper()
		paced(t, limits, func(c *Client, theirs net.Conn) {
			go func() {
				sendEvery(theirs, pause, n, 5*time.Minute)
				_ = theirs.Close()
			}()
			got, err := readAll(c)
			require.Equal(t, io.EOF, err)
			assert.GreaterOrEqual(t, got, n*int(5*time.Minute/pause))
		})
	}
	f(shipped(), time.Second, 2<<10)
	f(shipped(), 10*time.Millisecond, 21)
	f(shipped(), 20*time.Second, 40<<10)
	f(shipped(), 55*time.Second, 60<<10) // The bursts before count for the pause.
	f(ClientLimits{}, 5*time.Minute, 1)
}

// Nobody waited for bytes that came while nobody read.
func TestBodyThatNobodyTakes(t *testing.T) {
	paced(t, shipped(), func(c *Client, theirs net.Conn) {
		go sendEvery(theirs, 0, 100, time.Hour)
		buf := make([]byte, 100)
		for range 20 {
			// Between two ticks, so that no tick falls into a Read that waits for nothing.
			time.Sleep(time.Minute + 7*time.Millisecond)
			_, err := io.ReadFull(c, buf)
			require.NoError(t, err)
		}
		assert.LessOrEqual(t, c.body.sends.behind, time.Second)
	})
}

// A client that awaits a 100 owes nothing before it, or before its first byte.
func TestOwingAfterExpect(t *testing.T) {
	limits := shipped()
	limits.Read = time.Hour
	f := func(begin func(c *Client, theirs net.Conn)) {
		t.Helper()
		paced(t, limits, func(c *Client, theirs net.Conn) {
			c.Body(true)
			began := time.Now()
			go func() {
				time.Sleep(10 * time.Minute)
				begin(c, theirs)
			}()
			_, err := readAll(c)
			require.Equal(t, ErrTooSlow, err)
			assert.InDelta(t, 10*time.Minute+30*time.Second, time.Since(began), float64(time.Second))
		})
	}
	f(func(c *Client, _ net.Conn) { c.Owe() })
	f(func(_ *Client, theirs net.Conn) { _, _ = theirs.Write([]byte("x")) })
}

// Once the response has begun, only the time between bytes bounds the rest of the body.
func TestForgivenBody(t *testing.T) {
	limits := shipped()
	limits.Read = 10 * time.Minute
	paced(t, limits, func(c *Client, theirs net.Conn) {
		go func() {
			time.Sleep(10 * time.Second) // While the Read waits.
			c.Forgive()
			time.Sleep(9 * time.Minute)
			_, _ = theirs.Write([]byte("x"))
		}()
		_, err := c.Read(make([]byte, 1))
		require.NoError(t, err)
		began := time.Now()
		_, err = c.Read(make([]byte, 1))
		require.Equal(t, ErrTimeout, err)
		assert.GreaterOrEqual(t, time.Since(began), limits.Read)
	})
}

// What one request owes does not count for the next.
func TestPaceOfTheNextRequest(t *testing.T) {
	paced(t, shipped(), func(c *Client, theirs net.Conn) {
		for range 5 {
			go func() {
				time.Sleep(29 * time.Second)
				_, _ = theirs.Write([]byte("x"))
			}()
			_, err := c.Read(make([]byte, 1))
			require.NoError(t, err)
			c.Idle()
			c.Begin()
			c.Body(false)
		}
	})
}

func TestReadBy(t *testing.T) {
	paced(t, shipped(), func(c *Client, theirs net.Conn) {
		buf := make([]byte, 10)
		began := time.Now()
		_, err := c.ReadBy(buf, c.Soon(time.Second))
		require.Equal(t, ErrNotYet, err)
		assert.NoError(t, c.Err(), "the client may go on")
		assert.InDelta(t, time.Second, time.Since(began), float64(maxTick))
		go func() { _, _ = theirs.Write([]byte("body")) }()
		n, err := c.ReadBy(buf, c.Soon(time.Second))
		require.NoError(t, err)
		assert.Equal(t, "body", string(buf[:n]))
	})
	limits := shipped()
	limits.RateGrace = time.Second
	paced(t, limits, func(c *Client, _ net.Conn) {
		_, err := c.ReadBy(make([]byte, 1), c.Soon(10*time.Second))
		require.Equal(t, ErrNotYet, err, "nothing is owed meanwhile")
		assert.Zero(t, c.body.sends.behind)
	})
	limits.Read = time.Second
	paced(t, limits, func(c *Client, _ net.Conn) {
		_, err := c.ReadBy(make([]byte, 1), c.Soon(time.Minute))
		require.Equal(t, ErrTimeout, err)
	})
}

// takeEvery reads n bytes again and again, with pauses.
func takeEvery(c net.Conn, pause time.Duration, n int) {
	for buf := make([]byte, n); ; time.Sleep(pause) {
		if _, err := io.ReadFull(c, buf); err != nil {
			return
		}
	}
}

func TestSlowReader(t *testing.T) {
	f := func(pause time.Duration, n int, least, most time.Duration) {
		t.Helper()
		paced(t, shipped(), func(c *Client, theirs net.Conn) {
			go takeEvery(theirs, pause, n)
			began := time.Now()
			_, err := c.Write(make([]byte, 1<<20))
			require.Equal(t, ErrTooSlow, err)
			took := time.Since(began)
			assert.GreaterOrEqual(t, took, least)
			assert.LessOrEqual(t, took, most)
		})
	}
	f(5*time.Second, 32, 30*time.Second, 31*time.Second)
	f(time.Second, 512, time.Minute, time.Minute+2*time.Second)
}

func TestSteadyReader(t *testing.T) {
	f := func(pause time.Duration, n int) {
		t.Helper()
		paced(t, shipped(), func(c *Client, theirs net.Conn) {
			go takeEvery(theirs, pause, n)
			_, err := c.Write(make([]byte, 2*300<<10))
			require.NoError(t, err)
		})
	}
	f(time.Second, 2<<10)
	f(10*time.Millisecond, 21)
	f(50*time.Second, 100<<10)
}

// The client of an event stream owes nothing if it takes what comes, however little that is.
func TestIdleReader(t *testing.T) {
	paced(t, shipped(), func(c *Client, theirs net.Conn) {
		go takeEvery(theirs, 0, 1)
		time.Sleep(maxTick / 2) // All that follows is between two ticks.
		for range 100 {
			time.Sleep(time.Minute)
			_, err := c.Write([]byte("heartbeat"))
			require.NoError(t, err)
		}
		assert.Zero(t, c.body.takes.behind)
	})
}

// No least rate holds in a tunnel.
func TestTunnelHasNoPace(t *testing.T) {
	_, c, theirs := client(t, ClientLimits{MinRate: 1 << 30, RateGrace: brief})
	b, backend := dial(t, BackendLimits{})
	done := make(chan error, 1)
	go func() {
		_, err := Tunnel(&c.Conn, &b.Conn, 0, &Buffers{})
		done <- err
	}()
	body := text(1, 16<<20) // More than the buffers on the way hold.
	go func() {
		_, _ = io.WriteString(backend, body)
		_ = backend.CloseWrite()
	}()
	<-time.After(4 * brief) // Not a wait for something: this is the slow client.
	got, err := io.ReadAll(theirs)
	require.NoError(t, err)
	assert.True(t, body == string(got))
	require.NoError(t, theirs.CloseWrite())
	require.NoError(t, <-done)
}

func TestPacedReadsDoNotAllocate(t *testing.T) {
	_, c, theirs := client(t, shipped())
	begin(t, c, theirs, "G")
	c.Body(false)
	buf := make([]byte, 1)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		_, _ = theirs.Write(buf)
		_, _ = c.Read(buf)
		_, _ = c.Write(buf)
		_, _ = theirs.Read(buf)
	}))
}
