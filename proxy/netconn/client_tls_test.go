package netconn

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer/tlstest"
)

// configs are the two sides of clients' TLS.
func configs(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	ca, now := tlstest.NewCA(t), time.Now()
	return &tls.Config{Certificates: []tls.Certificate{ca.Issue("proxy.test")}},
		&tls.Config{RootCAs: ca.Roots(), ServerName: "proxy.test", Time: func() time.Time { return now }}
}

// clientByTLS is a client's connection whose handshake is done, and its other end. The handshake
// takes long on a busy machine, so limits.Header counts from its end.
func (of kind) clientByTLS(t *testing.T, limits ClientLimits) (*Client, *tls.Conn) {
	t.Helper()
	return of.clientByTLSOver(t, limits, func(theirs net.Conn) net.Conn { return theirs })
}

// clientByTLSOver is clientByTLS over what wrap makes of the other end.
func (of kind) clientByTLSOver(t *testing.T, limits ClientLimits, wrap func(net.Conn) net.Conn) (*Client, *tls.Conn) {
	t.Helper()
	server, client := configs(t)
	ours, theirs := pair(t)
	unhurried := limits
	unhurried.Header = 0
	all := NewClients(unhurried)
	c := all.Add(ours, server)
	t.Cleanup(func() { c.Close() })
	of.take(t, &c.Conn)
	secure := tls.Client(wrap(theirs), client)
	opened := make(chan error, 1)
	go func() { opened <- c.Open() }()
	require.NoError(t, secure.Handshake())
	require.NoError(t, <-opened)
	all.Use(limits)
	c.adopt()
	c.wait.due = 0
	return c, secure
}

// The same loop serves a client by TLS, with each verdict.
func TestServeByTLS(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		c, theirs := of.clientByTLS(t, ClientLimits{Header: patience, Idle: patience, Read: patience})
		s := &spoken{client: c}
		done := make(chan struct{})
		go func() { s.serve(); close(done) }()
		for _, message := range []string{"w", "w", "i", "a", "a", "w", "i", "w", "e"} {
			send(t, theirs, message)
			expect(t, theirs, message)
		}
		<-done
		_, err := theirs.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err, "the alert, not just the end")
		assert.Equal(t, []string{
			"arrived w", "arrived w", "arrived i", "arrived a", "attend a", "attend w", "arrived i",
			"arrived w", "arrived e",
		}, s.calls)
		assert.False(t, s.lent)
		assert.Zero(t, c.all.Len())
	})
}

// Requests in one record are served one after another, even if the lent memory holds only one.
func TestRequestsInOneRecord(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		c, theirs := of.clientByTLS(t, ClientLimits{})
		s := &spoken{client: c}
		done := make(chan struct{})
		go func() { s.serve(); close(done) }()
		send(t, theirs, "wwwiawe")
		got, err := io.ReadAll(theirs)
		require.NoError(t, err)
		assert.Equal(t, "wwwiawe", string(got))
		<-done
	})
}

// A body and a response pass each other whole while Reads and Writes are woken all the time.
func TestBodyAndResponseByTLS(t *testing.T) {
	body, response := random(3<<20), random(5<<20)
	onBothKinds(t, func(t *testing.T, of kind) {
		c, theirs := of.clientByTLS(t, ClientLimits{Header: patience, Read: patience, Write: patience})
		send(t, theirs, "POST")
		got, err := read(c)
		require.NoError(t, err)
		require.Equal(t, "POST", got)
		c.Body(false)
		defer keepWaking(&c.Conn)()
		var both sync.WaitGroup
		both.Go(func() {
			received := make([]byte, len(body))
			_, err := io.ReadFull(c, received)
			assert.NoError(t, err)
			assert.True(t, bytes.Equal(body, received))
		})
		both.Go(func() {
			_, err := c.Write(response)
			assert.NoError(t, err)
		})
		both.Go(func() {
			_, err := theirs.Write(body)
			assert.NoError(t, err)
		})
		received := make([]byte, len(response))
		_, err = io.ReadFull(theirs, received)
		require.NoError(t, err)
		assert.True(t, bytes.Equal(response, received))
		both.Wait()
		assert.NoError(t, c.Err())
	})
}

// A Read that failed in time may be followed by one that succeeds.
func TestReadsAfterTimeoutsByTLS(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		c, theirs := of.clientByTLS(t, ClientLimits{Header: patience, Read: brief})
		buf := make([]byte, 10)
		reads := func(want string) {
			t.Helper()
			send(t, theirs, want)
			n, err := c.Read(buf)
			require.NoError(t, err)
			require.Equal(t, want, string(buf[:n]))
		}
		send(t, theirs, "G")
		_, err := read(c)
		require.NoError(t, err)
		reads("header")
		c.Body(false)
		_, err = c.Read(buf)
		require.Equal(t, ErrTimeout, err)
		require.Equal(t, ErrTimeout, c.Err())
		reads("a")
		_, err = c.ReadBy(buf, c.Soon(minTick))
		require.Equal(t, ErrNotYet, err)
		require.NoError(t, c.Err())
		reads("b")
		c.Interrupt()
		_, err = c.Read(buf)
		require.Equal(t, ErrInterrupted, err)
		c.Resume()
		reads("c")
	})
}

func TestTimeoutsByTLS(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		c, theirs := of.clientByTLS(t, ClientLimits{Header: patience, Write: brief})
		c.all.Use(ClientLimits{Header: brief, Write: brief}) // The handshake could take longer.
		c.adopt()
		c.wait.due = 0
		_, err := read(c)
		assert.Equal(t, io.EOF, err, "nothing was sent")
		c.wait.due = 0
		send(t, theirs, "G")
		_, err = read(c)
		require.NoError(t, err)
		_, err = c.Read(make([]byte, 1))
		assert.Equal(t, ErrTimeout, err)
		assert.Equal(t, ErrTimeout, fill(c))
		assert.Equal(t, ErrTimeout, c.writing.err)
		require.NoError(t, c.Close(), "with no room for an alert")
	})
}

// A handshake has the time of the first request. It fails earlier if the connection is to leave, or
// if the registry closes.
func TestHandshakeThatStalls(t *testing.T) {
	server, _ := configs(t)
	serve := func(limits ClientLimits) (*Clients, *net.TCPConn, <-chan struct{}) {
		ours, theirs := pair(t)
		all := NewClients(limits)
		c, done := all.Add(ours, server), make(chan struct{})
		go func() { (&spoken{client: c}).serve(); close(done) }()
		return all, theirs, done
	}
	all, theirs, done := serve(ClientLimits{Header: brief})
	send(t, theirs, "\x16\x03")
	<-done
	assert.Zero(t, all.Len())
	all, _, done = serve(ClientLimits{Header: time.Hour, Connections: 1})
	all.AwaitRoom(nil)
	<-done
	all, _, done = serve(ClientLimits{Header: time.Hour})
	require.NoError(t, all.Close(t.Context(), time.Millisecond))
	<-done
}

// A client that doesn't speak TLS is told so in clear, if the handler knows how, and all that it
// sends is dropped first.
func TestClientInClear(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		server, _ := configs(t)
		for _, farewell := range []string{"use TLS", ""} {
			ours, theirs := pair(t)
			all := NewClients(ClientLimits{Header: patience, Write: patience})
			c := all.Add(ours, server)
			of.take(t, &c.Conn)
			s, done := &spoken{client: c, farewell: farewell}, make(chan struct{})
			go func() { s.serve(); close(done) }()
			send(t, theirs, "GET / HTTP/1.1\r\n"+text(1, 100_000))
			if farewell != "" {
				require.NoError(t, theirs.CloseWrite())
				got, err := io.ReadAll(theirs)
				require.NoError(t, err)
				assert.Equal(t, farewell, string(got))
			}
			<-done
			assert.EqualError(t, s.unopened, "tls: first record does not look like a TLS handshake")
			assert.Empty(t, s.calls)
			assert.Nil(t, c.Secured())
			assert.Zero(t, all.Len())
		}
	})
}

// A client that is refused in its handshake gets the alert that says why, and no reset, whatever it
// has sent behind it. A stop doesn't wait for it.
func TestRefusedByTLS(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		server, client := configs(t)
		server.ClientAuth = tls.RequireAnyClientCert
		ours, theirs := pair(t)
		all := NewClients(ClientLimits{Header: patience})
		c := all.Add(ours, server)
		of.take(t, &c.Conn)
		s, done := &spoken{client: c}, make(chan struct{})
		go func() { s.serve(); close(done) }()
		secure := tls.Client(theirs, client)
		require.NoError(t, secure.Handshake(), "in TLS 1.3 it learns of it later")
		send(t, secure, text(1, 100_000))
		_, err := secure.Read(make([]byte, 1))
		require.EqualError(t, err, "remote error: tls: certificate required")
		n, err := theirs.Read(make([]byte, 1))
		assert.Zero(t, n)
		require.Equal(t, io.EOF, err)
		require.NoError(t, all.Close(t.Context(), time.Millisecond))
		assert.Equal(t, 1, all.Len(), "it may still send")
		require.NoError(t, theirs.Close())
		<-done
		assert.ErrorContains(t, s.unopened, "didn't provide a certificate")
	})
}

// What TLS agreed on is known, with the certificate of the client.
func TestSecured(t *testing.T) {
	server, client := configs(t)
	ca := tlstest.NewCA(t)
	server.ClientAuth, server.ClientCAs = tls.VerifyClientCertIfGiven, ca.Roots()
	f := func(certs ...tls.Certificate) *Secured {
		ours, theirs := pair(t)
		c := NewClients(ClientLimits{Header: patience}).Add(ours, server)
		config := client.Clone()
		config.Certificates = certs
		shaken := make(chan error, 1)
		go func() { shaken <- tls.Client(theirs, config).Handshake() }()
		require.NoError(t, c.Open())
		require.NoError(t, <-shaken)
		require.NoError(t, c.Close())
		return c.Secured()
	}
	assert.Equal(t, &Secured{Name: "proxy.test", Version: tls.VersionTLS13}, f())
	cert := ca.Issue("client")
	assert.True(t, f(cert).Certificate.Equal(cert.Leaf))
}

// dripping writes byte by byte, with pauses.
type dripping struct {
	net.Conn
	pause time.Duration
}

func (d dripping) Write(p []byte) (int, error) {
	for i := range p {
		time.Sleep(d.pause)
		if n, err := d.Conn.Write(p[i : i+1]); err != nil {
			return i + n, err
		}
	}
	return len(p), nil
}

// A record may take long, as long as its bytes keep coming at the least rate.
func TestRecordsThatDrip(t *testing.T) {
	server, client := configs(t)
	f := func(limits ClientLimits, pause time.Duration, want error) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := net.Pipe()
			c := NewClients(limits).Add(ours, server)
			drip := &dripping{Conn: theirs}
			secure := tls.Client(drip, client)
			shaken := make(chan error, 1)
			go func() { shaken <- secure.Handshake() }()
			require.NoError(t, c.Open())
			require.NoError(t, <-shaken)
			c.Begin()
			c.Body(false)
			drip.pause = pause
			wrote := make(chan struct{})
			go func() { _, _ = secure.Write(make([]byte, 500)); close(wrote) }()
			buf := make([]byte, 1000)
			n, err := c.Read(buf)
			require.Equal(t, want, err)
			if want == nil {
				assert.Equal(t, 500, n)
			}
			require.NoError(t, theirs.Close())
			require.NoError(t, c.Close())
			<-wrote
		})
	}
	f(ClientLimits{Read: time.Minute}, 40*time.Second, nil)
	f(ClientLimits{Read: time.Minute}, 2*time.Minute, ErrTimeout)
	f(ClientLimits{Read: time.Minute, MinRate: 10, RateGrace: 10 * time.Second}, time.Second/20, nil)
	f(ClientLimits{Read: time.Minute, MinRate: 10, RateGrace: 10 * time.Second}, time.Second, ErrTooSlow)
}

// HasMore is about what the client has sent, not about what TLS sends for itself.
func TestClientIsQuietByTLS(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		c, theirs := of.clientByTLS(t, ClientLimits{})
		assert.False(t, c.HasMore())
		send(t, theirs, "x")
		require.Eventually(t, c.HasMore, patience, time.Millisecond)
		got, err := read(c)
		require.NoError(t, err)
		assert.Equal(t, "x", got)
		assert.False(t, c.HasMore())
		require.NoError(t, theirs.CloseWrite())
		require.Eventually(t, c.HasMore, patience, time.Millisecond)
		assert.False(t, c.Ended(), "the connection is there")
		send(t, c, "response")
		expect(t, theirs, "response")
	})
}

// What was left unread is dropped. The response arrives, and the alert behind it.
func TestLingerByTLS(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		c, theirs := of.clientByTLS(t, ClientLimits{Header: brief})
		send(t, theirs, "POST")
		_, err := read(c)
		require.NoError(t, err)
		_, err = c.Read(make([]byte, 1))
		require.Equal(t, ErrTimeout, err, "which is no reason to send no alert")
		send(t, theirs, text(1, 100_000))
		send(t, c, "408")
		c.LeaveUnread()
		closed := make(chan error)
		go func() { closed <- c.Close() }()
		send(t, theirs, text(1, 100_000))
		got, err := io.ReadAll(theirs)
		require.NoError(t, err)
		assert.Equal(t, "408", string(got))
		require.NoError(t, theirs.Close())
		assert.NoError(t, <-closed)
	})
}

// A response that is cut does not end with an alert.
func TestAbortByTLS(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		c, theirs := of.clientByTLS(t, ClientLimits{})
		send(t, c, "half")
		expect(t, theirs, "half")
		c.Abort()
		require.NoError(t, c.Close())
		_, err := theirs.Read(make([]byte, 1))
		assert.ErrorIs(t, err, syscall.ECONNRESET)
	})
}

// When the registry closes, a request that is on its way is served. The connection ends after it.
func TestCloseIdleByTLS(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		c, theirs := of.clientByTLS(t, ClientLimits{})
		got := make(chan string)
		go func() {
			text, _ := read(c)
			got <- text
		}()
		c.all.CloseIdle()
		send(t, theirs, "G")
		assert.Equal(t, "G", <-got)
		c.Idle()
		_, err := read(c)
		assert.Equal(t, io.EOF, err)
	})
}

// A client by TLS rests in a long wait, and is served after it.
func TestLongWaitByTLS(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		c, theirs := of.clientByTLS(t, ClientLimits{Header: patience, Idle: patience, Read: brief})
		send(t, theirs, "w")
		_, err := read(c)
		require.NoError(t, err)
		require.True(t, c.Next())
		c.Idle()
		require.Equal(t, rest, awaits(c, &first{lent: make([]byte, 1)}))
		send(t, theirs, "w")
		got, err := read(c)
		require.NoError(t, err)
		assert.Equal(t, "w", got)
	})
}

// A tunnel may have TLS on one side or on both.
func TestTunnelByTLS(t *testing.T) {
	sent := make([]byte, 2<<20)
	_, _ = rand.Read(sent) // never fails
	f := func(t *testing.T, c *Client, b *Backend, client, backend interface {
		net.Conn
		CloseWrite() error
	},
	) {
		t.Helper()
		b.Begin(c.Awaiter())
		b.End()
		ended := make(chan error, 1)
		go func() {
			_, err := Tunnel(&c.Conn, &b.Conn, time.Minute, &Buffers{})
			ended <- err
		}()
		var ways sync.WaitGroup
		passes := func(from, to interface {
			net.Conn
			CloseWrite() error
		},
		) {
			ways.Go(func() {
				_, err := from.Write(sent)
				assert.NoError(t, err)
				assert.NoError(t, from.CloseWrite())
			})
			ways.Go(func() {
				got, err := io.ReadAll(to)
				assert.NoError(t, err)
				assert.True(t, bytes.Equal(sent, got))
			})
		}
		passes(client, backend)
		passes(backend, client)
		ways.Wait()
		require.NoError(t, <-ended)
	}
	onBothKinds(t, func(t *testing.T, of kind) {
		limits := ClientLimits{Write: patience, MinRate: 1 << 40, RateGrace: brief}
		c, client := of.clientByTLS(t, limits)
		b, backend := of.backend(t, BackendLimits{Idle: patience})
		f(t, c, b, client, backend)
		c, client = of.clientByTLS(t, limits)
		s := dialTLS(t, BackendLimits{Idle: patience}, &tls.Config{}, &tls.Config{})
		f(t, c, s.Backend, client, s.theirs)
	})
}

// An end without the alert is an error. Nothing by TLS is spliced.
func TestCutByTLS(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		c, theirs := of.clientByTLS(t, ClientLimits{})
		b, _ := of.backend(t, BackendLimits{})
		assert.Nil(t, c.Splice(&b.Conn))
		send(t, theirs, "P")
		_, err := read(c)
		require.NoError(t, err)
		c.Body(false)
		theirs.NetConn().Close()
		_, err = c.Read(make([]byte, 1))
		assert.True(t, errors.Is(err, errClientCut), "%v", err)
	})
}

// A client by TLS that rests is served like others. One that leaves meanwhile is noticed.
func TestRestByTLS(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		rested := func() (*Client, *tls.Conn, *spoken, chan struct{}) {
			c, theirs := of.clientByTLS(t, ClientLimits{Header: patience, Idle: patience, Read: brief})
			send(t, theirs, "w")
			_, err := read(c)
			require.NoError(t, err)
			require.True(t, c.Next())
			c.Idle()
			require.Equal(t, rest, awaits(c, &first{lent: make([]byte, 1)}))
			s, done := &spoken{client: c}, make(chan struct{})
			c.wait.handler, c.wait.verdict = s, Wait
			c.wait.arrived = c.arrivedInWait
			go func() { c.serve(); close(done) }()
			return c, theirs, s, done
		}
		_, theirs, _, done := rested()
		for _, message := range []string{"w", "w", "a", "w", "e"} {
			send(t, theirs, message)
			expect(t, theirs, message)
		}
		<-done

		c, theirs, s, done := rested()
		require.NoError(t, theirs.Close())
		<-done
		assert.Empty(t, s.calls)
		assert.Zero(t, c.all.Len())

		_, theirs, _, done = rested()
		require.NoError(t, theirs.NetConn().Close())
		<-done
	})
}
