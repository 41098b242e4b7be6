package netconn

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// script is a Server that answers at once, as its steps say.
type script struct {
	lent
	client *Client
	steps  []func() (wait bool)
	came   []int
}

func (s *script) Serve(n int) (wait bool) {
	s.came = append(s.came, n)
	step := s.steps[0]
	s.steps = s.steps[1:]
	wait = step()
	s.client.Idle()
	return wait
}

func goOn() (wait bool) { return true }
func stop() (wait bool) { return false }

// within has a client's first request "1", of one byte, be answered by steps, for whom room bytes
// are lent.
func within(t *testing.T, of kind, limits ClientLimits, room int, steps func(c *Client, send func(string), end func()) []func() bool) (*script, error) {
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
	return s, c.Await(s)
}

// What comes while a request is answered is there for the wait that follows.
func TestRequestWhileAnother(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		s, err := within(t, of, ClientLimits{}, 100, func(_ *Client, send func(string), _ func()) []func() bool {
			return []func() bool{func() bool { send("22"); return true }, func() bool { send("333"); return true }, stop}
		})
		require.NoError(t, err)
		assert.Equal(t, []int{1, 2, 3}, s.came)
	})
}

func TestEndWhileAnswering(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		s, err := within(t, of, ClientLimits{}, 100, func(_ *Client, _ func(string), end func()) []func() bool {
			return []func() bool{func() bool { end(); return true }}
		})
		require.Equal(t, io.EOF, err)
		assert.Equal(t, []int{1}, s.came)
	})
}

// The end came with the request: nothing tells of it any more, but the registry looks.
func TestRequestAndEndBeforeAnswering(t *testing.T) {
	for _, idle := range []time.Duration{0, patience} {
		onBothKinds(t, func(t *testing.T, of kind) {
			c, theirs := of.client(t, ClientLimits{Idle: idle})
			for range 3 { // At any time of the connection's life.
				s := &script{lent: make([]byte, 100), client: c, steps: []func() bool{stop}}
				_, err := theirs.Write([]byte("1"))
				require.NoError(t, err)
				require.NoError(t, c.Await(s))
			}
			_, err := theirs.Write([]byte("1"))
			require.NoError(t, err)
			require.NoError(t, theirs.CloseWrite())
			if _, ok := c.link.(*plain); !ok { // Which doesn't see the end behind the byte, nor need to.
				require.Eventually(t, func() bool { return c.link.peer() == ended }, patience, time.Millisecond)
			}
			s := &script{lent: make([]byte, 100), client: c, steps: []func() bool{goOn}}
			require.Equal(t, io.EOF, c.Await(s))
			assert.Equal(t, []int{1}, s.came)
		})
	}
}

// What a small buffer left behind isn't told of again.
func TestMoreThanWasLent(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		s, err := within(t, of, ClientLimits{}, 4, func(_ *Client, send func(string), _ func()) []func() bool {
			return []func() bool{func() bool { send("2222333344"); return true }, goOn, goOn, stop}
		})
		require.NoError(t, err)
		assert.Equal(t, []int{1, 4, 4, 2}, s.came)
	})
}

// A wake-up that was meant for another wait.
func TestWokenWhileAnswering(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		s, err := within(t, of, ClientLimits{}, 100, func(c *Client, send func(string), _ func()) []func() bool {
			return []func() bool{func() bool { c.wakeRead(); send("22"); return true }, stop}
		})
		require.NoError(t, err)
		assert.Equal(t, []int{1, 2}, s.came)
	})
}

// Each wait has its own time.
func TestIdleAfterAnswering(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		takes(t, brief, func() {
			s, err := within(t, of, ClientLimits{Header: time.Hour, Idle: brief}, 100, func(*Client, func(string), func()) []func() bool {
				return []func() bool{goOn}
			})
			require.Equal(t, io.EOF, err)
			assert.Equal(t, []int{1}, s.came)
		})
	})
}

// A registry that closes lets the request that is being answered end, and the one that came
// meanwhile.
func TestCloseIdleWhileAnswering(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		s, err := within(t, of, ClientLimits{}, 100, func(c *Client, send func(string), _ func()) []func() bool {
			return []func() bool{func() bool { c.registry.CloseIdle(); send("22"); return true }, goOn}
		})
		require.Equal(t, io.EOF, err)
		assert.Equal(t, []int{1, 2}, s.came)
	})
}

// Cut waits for nobody, not even for who answers from within a read.
func TestCutWhileAnswering(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		_, err := within(t, of, ClientLimits{}, 100, func(c *Client, _ func(string), _ func()) []func() bool {
			return []func() bool{func() bool {
				c.registry.Cut()
				_, err := c.Write([]byte("answer"))
				assert.Error(t, err)
				return true
			}}
		})
		requireCut(t, err)
	})
}
