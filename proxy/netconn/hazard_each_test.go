package netconn

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// script is a Handler that serves from within the wait, as its steps say.
type script struct {
	lent
	client *Client
	steps  []func() Verdict
	came   []int
}

func (s *script) Arrived(n int) Verdict {
	s.came = append(s.came, n)
	step := s.steps[0]
	s.steps = s.steps[1:]
	verdict := step()
	s.client.Idle()
	return verdict
}

func (s *script) Attend() Verdict { return End }

func goOn() Verdict { return Wait }
func stop() Verdict { return Attend }

// within has a client's first request, "1", served by steps, with room bytes lent for each.
func within(t *testing.T, of kind, limits ClientLimits, room int, steps func(c *Client, send func(string), end func()) []func() Verdict) (*script, Verdict) {
	t.Helper()
	c, theirs := of.client(t, limits)
	send := func(text string) {
		_, err := io.WriteString(theirs, text)
		require.NoError(t, err)
		require.Eventually(t, func() bool { return !c.link.quiet() }, patience, time.Millisecond)
	}
	end := func() {
		require.NoError(t, theirs.CloseWrite())
		require.Eventually(t, func() bool { return c.link.peer() == ended }, patience, time.Millisecond)
	}
	s := &script{lent: make([]byte, room), client: c, steps: steps(c, send, end)}
	send("1")
	return s, awaits(c, s)
}

// Bytes that come while a request is served end the wait that follows.
func TestRequestWhileAnother(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		s, verdict := within(t, of, ClientLimits{}, 100, func(_ *Client, send func(string), _ func()) []func() Verdict {
			return []func() Verdict{func() Verdict { send("22"); return Wait }, func() Verdict { send("333"); return Wait }, stop}
		})
		require.Equal(t, Attend, verdict)
		assert.Equal(t, []int{1, 2, 3}, s.came)
	})
}

func TestEndWhileServing(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		s, verdict := within(t, of, ClientLimits{}, 100, func(_ *Client, _ func(string), end func()) []func() Verdict {
			return []func() Verdict{func() Verdict { end(); return Wait }}
		})
		require.Equal(t, End, verdict)
		assert.Equal(t, []int{1}, s.came)
	})
}

// An end that came with the request isn't reported again. The registry looks for it.
func TestRequestAndEndBeforeServing(t *testing.T) {
	for _, idle := range []time.Duration{0, patience} {
		onBothKinds(t, func(t *testing.T, of kind) {
			c, theirs := of.client(t, ClientLimits{Idle: idle})
			for range 3 { // At any time of the connection's life.
				s := &script{lent: make([]byte, 100), client: c, steps: []func() Verdict{stop}}
				_, err := theirs.Write([]byte("1"))
				require.NoError(t, err)
				require.Equal(t, Attend, awaits(c, s))
			}
			_, err := theirs.Write([]byte("1"))
			require.NoError(t, err)
			require.NoError(t, theirs.CloseWrite())
			if _, ok := c.link.(*plain); !ok { // A plain link can't see the end behind the byte.
				require.Eventually(t, func() bool { return c.link.peer() == ended }, patience, time.Millisecond)
			}
			s := &script{lent: make([]byte, 100), client: c, steps: []func() Verdict{goOn}}
			require.Equal(t, End, awaits(c, s))
			assert.Equal(t, []int{1}, s.came)
		})
	}
}

// Bytes that a small buffer left behind aren't reported again, but they are read.
func TestMoreThanWasLent(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		s, verdict := within(t, of, ClientLimits{}, 4, func(_ *Client, send func(string), _ func()) []func() Verdict {
			return []func() Verdict{func() Verdict { send("2222333344"); return Wait }, goOn, goOn, stop}
		})
		require.Equal(t, Attend, verdict)
		assert.Equal(t, []int{1, 4, 4, 2}, s.came)
	})
}

// A wake-up may have been meant for another wait.
func TestWokenWhileServing(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		s, verdict := within(t, of, ClientLimits{}, 100, func(c *Client, send func(string), _ func()) []func() Verdict {
			return []func() Verdict{func() Verdict { c.wakeRead(); send("22"); return Wait }, stop}
		})
		require.Equal(t, Attend, verdict)
		assert.Equal(t, []int{1, 2}, s.came)
	})
}

// Each wait has a timeout of its own.
func TestIdleAfterServing(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		takes(t, brief, func() {
			s, verdict := within(t, of, ClientLimits{Header: time.Hour, Idle: brief}, 100, func(*Client, func(string), func()) []func() Verdict {
				return []func() Verdict{goOn}
			})
			require.Equal(t, End, verdict)
			assert.Equal(t, []int{1}, s.came)
		})
	})
}

// A registry that closes lets the current request end, and the one that came meanwhile.
func TestCloseIdleWhileServing(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		s, verdict := within(t, of, ClientLimits{}, 100, func(c *Client, send func(string), _ func()) []func() Verdict {
			return []func() Verdict{func() Verdict { c.all.CloseIdle(); send("22"); return Wait }, goOn}
		})
		require.Equal(t, End, verdict)
		assert.Equal(t, []int{1, 2}, s.came)
	})
}

// Cut does not wait for a Handler that serves from within a Read.
func TestCutWhileServing(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		_, verdict := within(t, of, ClientLimits{}, 100, func(c *Client, _ func(string), _ func()) []func() Verdict {
			return []func() Verdict{func() Verdict {
				c.registry.Cut()
				_, err := c.Write([]byte("response"))
				assert.Error(t, err)
				return Wait
			}}
		})
		assert.Equal(t, End, verdict)
	})
}
