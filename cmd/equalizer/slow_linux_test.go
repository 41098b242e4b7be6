package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The addresses that clients come from.
const (
	slowAddress   = "127.0.0.1"
	otherAddress  = "127.0.0.2"
	streamAddress = "127.0.0.3"
)

// TestSlowClients has slow clients from one address want more connections than there are, while
// others go about their business. TestSlowClientsForLong does it for longer, and make soak with the
// defaults. The kinds take turns: each fills the kernel's memory for sockets on its own.
func TestSlowClients(t *testing.T) {
	standSlowClients(t, slowClients{number: 24, grace: 500 * time.Millisecond, lasts: 1500 * time.Millisecond})
}

// slowClients are how many there are of a kind, what grace they have, and how long all of it lasts.
type slowClients struct {
	number       int
	grace, lasts time.Duration
}

func standSlowClients(t *testing.T, s slowClients) {
	for kind, slow := range map[string]func(ctx context.Context, address string){
		"senders of chunks": sendSlowly("Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"),
		"senders":           sendSlowly("Content-Length: 100000\r\n\r\n", "x"),
		"readers":           readSlowly,
	} {
		t.Run(kind, func(t *testing.T) {
			p := launch(t, free("-c", slowConfig(t, s))...)
			ctx, cancel := context.WithCancel(t.Context())
			var attack sync.WaitGroup
			for range s.number {
				attack.Go(func() { again(ctx, strings.TrimPrefix(p.proxy, "http://"), slow) })
			}
			p.await("slow clients to be there", func() bool { return p.status().Requests.InFlight > 0 })
			var honest sync.WaitGroup
			for name, stream := range streams() {
				honest.Go(func() { assert.NoError(t, stream(p.proxy, s.lasts), name) })
			}
			sent, good := others(p.proxy, s.lasts)
			honest.Wait()
			cancel()
			attack.Wait()
			t.Logf("%d of %d requests of others were 200", good, sent)
			assert.GreaterOrEqual(t, float64(good), 0.99*float64(sent))
			assert.NotZero(t, p.status().Requests.TooSlow)
			p.stop()
		})
	}
}

// slowConfig is a file with few connections to each of two backends, and otherwise the defaults.
func slowConfig(t *testing.T, s slowClients) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "slow.toml")
	text := fmt.Sprintf("[server]\nrate_grace = %q\n[pools.default]\nbackends = [%q, %q]\nmax_connections = %d\n[store]\ndriver = \"memory\"\n",
		s.grace, streaming(t), streaming(t), s.number/2)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// streaming is a backend with a stream of each kind, and a body that no buffer on the way holds.
func streaming(t *testing.T) (url string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		switch r.URL.Path {
		case "/large":
			_, _ = io.CopyN(w, zeros{}, 64*megabyte)
		case "/events":
			lasts, _ := time.ParseDuration(r.URL.RawQuery)
			for range 5 {
				_, _ = io.WriteString(w, ":\n")
				_ = control.Flush()
				<-time.After(lasts / 5) // the heartbeat
			}
		case "/duplex":
			_ = control.EnableFullDuplex()
			_ = control.Flush()
			copyLines(w, r.Body, func() { _ = control.Flush() })
		case "/upgrade":
			conn, both, err := control.Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
			copyLines(conn, both, func() {})
		default:
			n, _ := io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, n)
		}
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

// copyLines copies each line as it comes.
func copyLines(to io.Writer, from io.Reader, flush func()) {
	for lines := bufio.NewReader(from); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		_, _ = io.WriteString(to, line)
		flush()
	}
}

// again repeats a slow client until ctx ends.
func again(ctx context.Context, address string, slow func(ctx context.Context, address string)) {
	for ctx.Err() == nil {
		slow(ctx, address)
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond): // its own pace
		}
	}
}

// dialSlow connects with a small buffer. The connection ends with ctx.
func dialSlow(ctx context.Context, address string) (net.Conn, error) {
	d := net.Dialer{LocalAddr: from(slowAddress), Control: func(_, _ string, rc syscall.RawConn) error {
		return rc.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 2<<10) })
	}}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err == nil {
		context.AfterFunc(ctx, func() { _ = conn.Close() })
	}
	return conn, err
}

func from(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip)} }

// sendSlowly sends a piece of a body now and then until there is a response.
func sendSlowly(fields, piece string) func(ctx context.Context, address string) {
	return func(ctx context.Context, address string) {
		conn, err := dialSlow(ctx, address)
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\n"+fields)
		for err = os.ErrDeadlineExceeded; os.IsTimeout(err); _, err = conn.Read(make([]byte, 1)) {
			_, _ = io.WriteString(conn, piece)
			_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		}
	}
}

// readSlowly reads some bytes of a large response now and then until it is cut.
func readSlowly(ctx context.Context, address string) {
	conn, err := dialSlow(ctx, address)
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
	for err == nil {
		_, err = conn.Read(make([]byte, 32))
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond): // its own pace
		}
	}
}

// others send requests for that long, and count those with the right response.
func others(url string, lasts time.Duration) (sent, good int64) {
	var all, fine atomic.Int64
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			c := clientFrom(otherAddress)
			defer c.CloseIdleConnections()
			for end := time.Now().Add(lasts); time.Now().Before(end); {
				all.Add(1)
				if resp, err := c.Post(url, "text/plain", strings.NewReader("body")); err == nil {
					body, err := io.ReadAll(resp.Body)
					resp.Body.Close()
					if err == nil && resp.StatusCode == 200 && string(body) == "4" {
						fine.Add(1)
					}
				}
			}
		})
	}
	clients.Wait()
	return all.Load(), fine.Load()
}

func clientFrom(ip string) *http.Client {
	return &http.Client{Timeout: deadline, Transport: &http.Transport{DialContext: (&net.Dialer{LocalAddr: from(ip)}).DialContext}}
}

// streamClient has no deadline for a whole stream.
func streamClient() *http.Client {
	c := clientFrom(streamAddress)
	c.Timeout = 0
	return c
}

// streams are honest ones that are slow, or idle, for as long as they last.
func streams() map[string]func(url string, lasts time.Duration) error {
	return map[string]func(url string, lasts time.Duration) error{
		"upload":    steadyUpload,
		"events":    events,
		"websocket": idleUpgrade,
		"duplex":    duplex,
	}
}

// steadyUpload sends 2 KiB a second.
func steadyUpload(url string, lasts time.Duration) error {
	const pause = 100 * time.Millisecond
	pieces := int(lasts / pause)
	body, sending := io.Pipe()
	began := time.Now()
	go func() {
		for i := range pieces {
			_, _ = sending.Write(make([]byte, 2<<10/10))
			<-time.After(time.Until(began.Add(time.Duration(i) * pause))) // the upload's pace
		}
		_ = sending.Close()
	}()
	resp, err := streamClient().Post(url, "text/plain", body)
	return has(resp, err, fmt.Sprint(pieces*(2<<10/10)))
}

func events(url string, lasts time.Duration) error {
	resp, err := streamClient().Get(url + "/events?" + lasts.String())
	return has(resp, err, strings.Repeat(":\n", 5))
}

// has reports whether a response is a 200 with a body.
func has(resp *http.Response, err error, want string) error {
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != 200 || string(body) != want) {
		err = fmt.Errorf("%s, %q; want 200, %q", resp.Status, body, want)
	}
	return err
}

// idleUpgrade sends something only at the beginning and at the end.
func idleUpgrade(url string, lasts time.Duration) error {
	conn, err := (&net.Dialer{LocalAddr: from(streamAddress)}).Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		return err
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET /upgrade HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	lines := bufio.NewReader(conn)
	resp, err := http.ReadResponse(lines, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("the upgrade: %v, %w", resp, err)
	}
	for _, pause := range []time.Duration{0, lasts} {
		<-time.After(pause)
		if err := echoes(conn, lines); err != nil {
			return err
		}
	}
	return nil
}

// duplex has a line come back now and then, on one request.
func duplex(url string, lasts time.Duration) error {
	body, sending := io.Pipe()
	defer sending.Close()
	resp, err := streamClient().Post(url+"/duplex", "text/plain", body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	for end := time.Now().Add(lasts); time.Now().Before(end); {
		if err := echoes(sending, lines); err != nil {
			return err
		}
		<-time.After(time.Second / 2) // the stream's pace
	}
	return nil
}

// echoes has a line come back.
func echoes(to io.Writer, lines *bufio.Reader) error {
	if _, err := io.WriteString(to, "line\n"); err != nil {
		return err
	}
	line, err := lines.ReadString('\n')
	if err == nil && line != "line\n" {
		err = fmt.Errorf("%q came back", line)
	}
	return err
}
