package netconn

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	_, err := io.WriteString(c, text)
	require.NoError(t, err)
}

// begin begins a request with text.
func begin(t *testing.T, c *Client, theirs net.Conn, text string) {
	t.Helper()
	send(t, theirs, text)
	got, err := read(c)
	require.NoError(t, err)
	require.Equal(t, text, got)
}

func TestPeer(t *testing.T) {
	_, c, _ := client(t, ClientLimits{})
	assert.Equal(t, netip.MustParseAddr("127.0.0.1"), c.Peer())
	assert.Equal(t, netip.Addr{}, addrOf(&net.UnixAddr{}))
}

// A client that sends nothing awaits no response, so its timeout is an end and not an error.
func TestClientThatSendsNothing(t *testing.T) {
	_, c, _ := client(t, ClientLimits{Header: brief})
	takes(t, brief, func() {
		_, err := read(c)
		assert.Equal(t, io.EOF, err)
	})
	_, c, theirs := client(t, ClientLimits{Header: patience, Idle: brief})
	begin(t, c, theirs, "G")
	c.Idle()
	takes(t, brief, func() {
		_, err := read(c)
		assert.Equal(t, io.EOF, err)
	})
}

// A header's time counts from its first byte, even while bytes keep coming.
func TestHeaderThatTrickles(t *testing.T) {
	_, c, theirs := client(t, ClientLimits{Header: brief, Idle: patience, Read: patience})
	begin(t, c, theirs, "G")
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		tick := time.NewTicker(brief / 10)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				_, _ = theirs.Write([]byte("x"))
			}
		}
	}()
	var err error
	takes(t, brief, func() {
		for err == nil {
			_, err = read(c)
		}
	})
	assert.Equal(t, ErrTimeout, err)
	assert.Equal(t, ErrTimeout, c.Err())
	var timeout net.Error
	assert.True(t, errors.As(err, &timeout) && timeout.Timeout())
}

// A body's time counts between bytes.
func TestBodyThatStops(t *testing.T) {
	_, c, theirs := client(t, ClientLimits{Header: brief, Read: 4 * brief})
	begin(t, c, theirs, "G")
	c.Body(false)
	takes(t, 4*brief, func() {
		_, err := read(c)
		assert.Equal(t, ErrTimeout, err)
	})
	send(t, theirs, "more")
	got, err := read(c)
	require.NoError(t, err, "a timeout is of one Read only")
	assert.Equal(t, "more", got)
}

// fill writes to a client that doesn't read until that fails.
func fill(c *Client) error {
	buf := make([]byte, 1<<20)
	for {
		if _, err := c.Write(buf); err != nil {
			return err
		}
	}
}

func TestClientThatDoesNotRead(t *testing.T) {
	_, c, _ := client(t, ClientLimits{Write: brief})
	takes(t, brief, func() { assert.Equal(t, ErrTimeout, fill(c)) })
}

// The time without progress counts from when the last byte left, and not from when that is noticed,
// which may be a whole timeout later.
func TestStalledWritesEndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 2 * time.Second
		ours, theirs := net.Pipe()
		c := NewClients(ClientLimits{Write: limit}).Add(ours, nil)
		go func() { _, _ = theirs.Read(make([]byte, 1)) }()
		begin := time.Now()
		_, err := c.Write([]byte("two"))
		assert.Equal(t, ErrTimeout, err)
		took := time.Since(begin)
		assert.GreaterOrEqual(t, took, limit)
		assert.LessOrEqual(t, took, limit*3/2)
		require.NoError(t, c.Close())
	})
}

// A slow client has time as long as some bytes leave.
func TestClientThatReadsSlowly(t *testing.T) {
	_, c, theirs := client(t, ClientLimits{Write: brief})
	done := make(chan error, 1)
	const size = 24 << 20 // More than the buffers on the way hold.
	go func() {
		_, err := c.Write(make([]byte, size))
		done <- err
	}()
	buf := make([]byte, 1<<20)
	tick := time.NewTicker(brief / 4)
	defer tick.Stop()
	for n := 0; n < size; <-tick.C {
		m, err := io.ReadFull(theirs, buf)
		require.NoError(t, err)
		n += m
	}
	assert.NoError(t, <-done)
}

// A Read or a Write that is woken early goes on.
func TestWakingIsAHint(t *testing.T) {
	_, c, theirs := client(t, ClientLimits{Header: patience, Read: patience, Write: patience})
	begin(t, c, theirs, "G")
	got := make(chan string)
	go func() {
		text, _ := read(c)
		got <- text
	}()
	for range 100 {
		c.wakeRead()
		c.wakeWrite()
		send(t, c, "x")
	}
	send(t, theirs, "more")
	assert.Equal(t, "more", <-got)
	c.wakeRead()
	c.wakeWrite()
	send(t, c, "x")
	send(t, theirs, "again")
	again, err := read(c)
	require.NoError(t, err)
	assert.Equal(t, "again", again)
}

func TestCloseIdle(t *testing.T) {
	all, c, theirs := client(t, ClientLimits{})
	begin(t, c, theirs, "G")
	c.Idle()
	ended := make(chan error)
	go func() {
		_, err := read(c)
		ended <- err
	}()
	all.CloseIdle()
	assert.Equal(t, io.EOF, <-ended)

	_, err := read(c)
	assert.Equal(t, io.EOF, err, "it stays closed")
	send(t, theirs, "G")
	got, err := read(c)
	require.NoError(t, err)
	assert.Equal(t, "G", got, "what had come is served")
}

// delayed is a link of a goroutine that gets no processor until its deadline has passed.
type delayed struct{ link }

func (d delayed) SetReadDeadline(t time.Time) error {
	if !t.IsZero() {
		<-time.After(time.Until(t))
	}
	return d.link.SetReadDeadline(t)
}

// What came in time is served, even if the last wait for it comes to run when its time is over.
func TestCloseIdleOnABusyMachine(t *testing.T) {
	serve := func(t *testing.T, c *Client, theirs net.Conn) {
		begin(t, c, theirs, "G")
		c.Idle()
		c.all.CloseIdle()
		c.link = delayed{c.link}
		send(t, theirs, "G")
		got, err := read(c)
		require.NoError(t, err)
		require.Equal(t, "G", got)
		c.Idle()
		_, err = read(c)
		require.Equal(t, io.EOF, err)
	}
	onBothKinds(t, func(t *testing.T, of kind) {
		c, theirs := of.client(t, ClientLimits{})
		serve(t, c, theirs)
	})
	t.Run("TLS", func(t *testing.T) {
		c, theirs := kind(newLink).clientByTLS(t, ClientLimits{})
		serve(t, c, theirs)
	})
}

// A request that runs when the registry closes runs to its end. The connection ends after it.
func TestCloseIdleLeavesRequestsAlone(t *testing.T) {
	all, c, theirs := client(t, ClientLimits{})
	begin(t, c, theirs, "G")
	got := make(chan string)
	go func() {
		text, _ := read(c)
		got <- text
	}()
	all.CloseIdle()
	send(t, theirs, "ET")
	assert.Equal(t, "ET", <-got)
	send(t, c, "response")
	c.Idle()
	_, err := read(c)
	assert.Equal(t, io.EOF, err)
}

// A client that has just connected has a moment for its first request.
func TestCloseIdleAwaitsFirstRequests(t *testing.T) {
	all, c, theirs := client(t, ClientLimits{})
	got := make(chan string)
	go func() {
		text, _ := read(c)
		got <- text
	}()
	all.CloseIdle()
	send(t, theirs, "G")
	assert.Equal(t, "G", <-got)
}

func TestWaitAndCut(t *testing.T) {
	all := NewClients(ClientLimits{})
	require.NoError(t, all.Wait(t.Context()), "there is nothing to wait for")
	one, _ := pair(t)
	two, _ := pair(t)
	c, d := all.Add(one, nil), all.Add(two, nil)
	assert.Equal(t, 2, all.Len())
	d.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, all.Wait(ctx), context.Canceled)

	cut := make(chan error)
	go func() {
		_, err := read(c)
		c.Close()
		cut <- err
	}()
	assert.Equal(t, 1, all.Cut())
	requireCut(t, <-cut)
	require.NoError(t, all.Wait(t.Context()))
	assert.Zero(t, all.Len())
}

// Closing with bytes unread would reset the connection, and the response could be lost.
func TestLinger(t *testing.T) {
	_, c, theirs := client(t, ClientLimits{})
	begin(t, c, theirs, "POST")
	send(t, theirs, strings.Repeat("x", 100_000))
	send(t, c, "413")
	c.LeaveUnread()
	closed := make(chan error)
	go func() { closed <- c.Close() }()
	send(t, theirs, strings.Repeat("x", 100_000))
	got, err := io.ReadAll(theirs)
	require.NoError(t, err)
	assert.Equal(t, "413", string(got))
	require.NoError(t, theirs.Close())
	assert.NoError(t, <-closed)
}

// Once the response has arrived, and the client has had time to read it, lingering is bounded in
// bytes.
func TestLingerEnds(t *testing.T) {
	_, c, theirs := client(t, ClientLimits{})
	begin(t, c, theirs, "POST")
	send(t, c, "413")
	c.LeaveUnread()
	began := c.now()
	closed := make(chan error)
	go func() { closed <- c.Close() }()
	var err error
	for much := make([]byte, lingerBytes); err == nil; {
		_, err = theirs.Write(much)
	}
	assert.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	assert.NoError(t, <-closed)
	assert.GreaterOrEqual(t, c.now()-began, int64(lingerLeast))
}

// A request that was read to its end after all needs no lingering.
func TestIdleForgetsUnread(t *testing.T) {
	_, c, theirs := client(t, ClientLimits{})
	begin(t, c, theirs, "POST")
	c.LeaveUnread()
	c.Idle()
	require.NoError(t, c.Close(), "at once, although the client doesn't close")
	_, err := io.ReadAll(theirs)
	require.NoError(t, err)
}

func TestAbort(t *testing.T) {
	_, c, theirs := client(t, ClientLimits{})
	begin(t, c, theirs, "GET")
	c.Abort()
	require.NoError(t, c.Close())
	_, err := read(theirs)
	assert.ErrorIs(t, err, syscall.ECONNRESET)
}

func TestReadingAndWritingDoNotAllocate(t *testing.T) {
	_, c, theirs := client(t, ClientLimits{Header: patience, Idle: patience, Read: patience, Write: patience})
	buf := make([]byte, 1)
	var handler Handler = &first{lent: buf}
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		_, _ = theirs.Write(buf)
		_ = awaits(c, handler)
		_, _ = c.Write(buf)
		_, _ = theirs.Read(buf)
		c.Idle()
	}))
}

// A long wait rests once, and its timeout stays the same.
func TestLongWait(t *testing.T) {
	_, c, theirs := client(t, ClientLimits{Header: patience, Idle: 4 * brief, Read: brief})
	begin(t, c, theirs, "G")
	require.True(t, c.Next())
	c.Idle()
	takes(t, 4*brief, func() {
		h := &first{lent: make([]byte, 1)}
		assert.Equal(t, rest, awaits(c, h))
		assert.Equal(t, End, awaits(c, h))
	})
}
