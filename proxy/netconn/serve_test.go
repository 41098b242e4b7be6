package netconn

import (
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// spoken is a Handler whose verdict is named by each byte that the client sends.
type spoken struct {
	buf    [1]byte
	client *Client
	calls  []string
	lent   bool
	// unopened is why nothing came of the connection, and farewell what its client is told.
	unopened error
	farewell string
}

func (s *spoken) Lend() []byte {
	s.lent = true
	return s.buf[:]
}

func (s *spoken) GiveBack() { s.lent = false }

func (s *spoken) Arrived(int) Verdict {
	s.calls = append(s.calls, "arrived "+string(s.buf[:]))
	return s.verdict()
}

func (s *spoken) Attend() Verdict {
	n, err := s.client.Read(s.buf[:])
	if err != nil {
		return End
	}
	s.calls = append(s.calls, "attend "+string(s.buf[:n]))
	return s.verdict()
}

// serve opens the client and serves it.
func (s *spoken) serve() {
	if s.unopened = s.client.Open(); s.unopened != nil {
		s.client.Dismiss([]byte(s.farewell))
		return
	}
	s.client.Serve(s)
}

func (s *spoken) verdict() Verdict {
	v := map[byte]Verdict{'w': Wait, 'i': Ignore, 'a': Attend, 'e': End}[s.buf[0]]
	if v == Wait {
		s.client.Idle()
	}
	_, _ = s.client.Write(s.buf[:])
	return v
}

// Serve does what each verdict says, within the wait and outside of it, and closes at the end.
func TestServe(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		c, theirs := of.client(t, ClientLimits{})
		s := &spoken{client: c}
		done := make(chan struct{})
		go func() { s.serve(); close(done) }()
		for _, message := range []string{"w", "w", "i", "a", "a", "w", "i", "w", "e"} {
			send(t, theirs, message)
			expect(t, theirs, message)
		}
		<-done
		_, err := theirs.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err)
		assert.Equal(t, []string{
			"arrived w", "arrived w", "arrived i", "arrived a", "attend a", "attend w", "arrived i",
			"arrived w", "arrived e",
		}, s.calls)
		assert.False(t, s.lent)
		assert.Zero(t, c.all.Len())
	})
}

// Bytes that are ignored don't change when the wait is overdue.
func TestIgnoredBytesDontProlongTheWait(t *testing.T) {
	_, c, theirs := client(t, ClientLimits{Header: patience, Idle: patience})
	s := &spoken{client: c}
	go s.serve()
	send(t, theirs, "w")
	expect(t, theirs, "w")
	waits := func() int64 {
		require.Eventually(t, func() bool { return c.reading.due.Load() != 0 }, patience, minTick/10)
		return c.reading.due.Load()
	}
	due := waits()
	for clock := c.registry.now.Load(); c.registry.now.Load() == clock; {
		send(t, theirs, "i")
		expect(t, theirs, "i")
	}
	assert.Equal(t, due, waits())
	send(t, theirs, "w")
	expect(t, theirs, "w")
	assert.Less(t, due, waits())
	send(t, theirs, "e")
	_, _ = io.ReadAll(theirs)
}
