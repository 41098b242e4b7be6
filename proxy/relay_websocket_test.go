package proxy

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sayBye has the backend close its WebSocket with a status of its own.
const (
	sayBye = "bye"
	bye    = websocket.StatusCode(4321)
)

// echoMessages is a WebSocket server, and one of another kind where it isn't asked for that.
func echoMessages(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			Subprotocols:    []string{"chat.v2", "chat.v1"},
			CompressionMode: websocket.CompressionContextTakeover,
		})
		if err != nil {
			return // It has answered.
		}
		defer func() { _ = c.CloseNow() }()
		c.SetReadLimit(-1)
		for {
			kind, data, err := c.Read(t.Context())
			if err != nil {
				return
			}
			if string(data) == sayBye {
				assert.NoError(t, c.Close(bye, "as you wish"))
				return
			}
			if err := c.Write(t.Context(), kind, data); err != nil {
				return
			}
		}
	}
}

// openSocket opens a WebSocket through the proxy.
func (p *proxied) openSocket(ctx context.Context, tr *http.Transport, path string, options *websocket.DialOptions) (*websocket.Conn, error) {
	options.HTTPClient = &http.Client{Transport: tr}
	c, _, err := websocket.Dial(ctx, "ws://"+p.addr+path, options)
	if err == nil {
		c.SetReadLimit(-1)
	}
	return c, err
}

func TestWebSockets(t *testing.T) {
	p := proxyTo(t, serveHTTP(t, echoMessages(t)))
	for _, mode := range []websocket.CompressionMode{websocket.CompressionDisabled, websocket.CompressionNoContextTakeover, websocket.CompressionContextTakeover} {
		ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
		c, err := p.openSocket(ctx, newTransport(t), "/", &websocket.DialOptions{Subprotocols: []string{"chat.v3", "chat.v1"}, CompressionMode: mode})
		require.NoError(t, err)
		assert.Equal(t, "chat.v1", c.Subprotocol())
		messages := []struct {
			kind websocket.MessageType
			data []byte
		}{
			{websocket.MessageText, []byte("h\u00e9llo")},
			{websocket.MessageText, []byte{}},
			{websocket.MessageBinary, []byte{0, 1, 0xff}},
			{websocket.MessageBinary, noise(5, 1<<20)},
			{websocket.MessageText, make([]byte, 1<<20)},
		}
		for range 2 {
			for _, m := range messages {
				sent := make(chan error, 1)
				go func() { sent <- c.Write(ctx, m.kind, m.data) }()
				kind, data, err := c.Read(ctx)
				require.NoError(t, err)
				require.NoError(t, <-sent)
				assert.Equal(t, m.kind, kind)
				assert.True(t, string(m.data) == string(data))
			}
		}
		reading := c.CloseRead(ctx) // Pongs come to who reads.
		require.NoError(t, c.Ping(ctx))
		require.NoError(t, c.Close(websocket.StatusNormalClosure, "done"))
		<-reading.Done()
		cancel()
	}
	require.Eventually(t, func() bool { return p.Stats().InFlight == 0 }, patience, time.Millisecond)
}

// Who closes a WebSocket says why, and that passes too.
func TestWebSocketClosedByTheBackend(t *testing.T) {
	p := proxyTo(t, serveHTTP(t, echoMessages(t)))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := p.openSocket(ctx, newTransport(t), "/", &websocket.DialOptions{})
	require.NoError(t, err)
	require.NoError(t, c.Write(ctx, websocket.MessageText, []byte(sayBye)))
	_, _, err = c.Read(ctx)
	var closed websocket.CloseError
	require.ErrorAs(t, err, &closed)
	assert.Equal(t, websocket.CloseError{Code: bye, Reason: "as you wish"}, closed)
}

// An ordinary request and a refused handshake get ordinary responses from the same library.
func TestWebSocketRefused(t *testing.T) {
	p := proxyTo(t, serveHTTP(t, echoMessages(t)))
	a := p.roundTrip(newTransport(t), p.request("GET", "/", nil))
	assert.Equal(t, http.StatusUpgradeRequired, a.StatusCode)

	c := p.dial()
	a = c.do("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 12\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	assert.Equal(t, http.StatusBadRequest, a.StatusCode)
	assert.False(t, a.Close)
	assert.Equal(t, "13", a.Header.Get("Sec-WebSocket-Version"))
}
