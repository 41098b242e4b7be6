package message

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"pgregory.net/rapid"

	"gopher-equalizer/proxy/http1"
)

// TestNetHTTPTakesWhatIsTaken sends lists as header blocks to net/http's server. A request here
// must be one there, with the same method, target, host and fields: we may only be stricter.
func TestNetHTTPTakesWhatIsTaken(t *testing.T) {
	other := startOther(t)
	passed := 0
	rapid.Check(t, func(t *rapid.T) {
		list := anyList.Draw(t, "list")
		r, err := parse(list, true)
		if err != nil || isOther(list) {
			return
		}
		passed++
		got := other.ask(t, list)
		require.NotNil(t, got, "net/http refuses %q", list)
		require.Equal(t, string(r.Method), got.Method)
		require.Equal(t, string(r.Target), got.RequestURI)
		require.Equal(t, string(r.Host), strings.TrimSuffix(got.Host, ":"))
		require.Equal(t, headerOf(r), trimmed(got.Header))
	})
	require.NotZero(t, passed)
}

// isOther reports whether net/http has rules of its own about a list: it answers OPTIONS * itself,
// wants valid escapes in a path, a scheme in lower case and TE once, and takes Expect away.
func isOther(list []field) bool {
	te := 0
	for _, f := range list {
		if f.name == "te" {
			te++
		}
	}
	return te > 1 || slices.ContainsFunc(list, func(f field) bool {
		return f.name == ":path" && (f.value == "*" || strings.Contains(f.value, "%zz")) || f.name == ":scheme" && f.value == "HTTPS" || f.name == "expect"
	})
}

// trimmed is a header without what isn't in ours: Host, and the space behind an empty last part of
// a cookie.
func trimmed(h http.Header) http.Header {
	h.Del("Host")
	for i, value := range h["Cookie"] {
		h["Cookie"][i] = strings.TrimSpace(value)
	}
	return h
}

// headerOf is a request's header as net/http shows it.
func headerOf(r *http1.Request) http.Header {
	h := http.Header{}
	for _, f := range r.Fields {
		if name := string(f.Name); name != "host" {
			h.Add(name, string(f.Value))
		}
	}
	return h
}

// other is a server of net/http's, with a connection on which one list is sent after the other.
type other struct {
	addr     string
	requests chan *http.Request
	conn     net.Conn
	framer   *http2.Framer
	stream   uint32
}

func startOther(t *testing.T) *other {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	o := &other{addr: l.Addr().String(), requests: make(chan *http.Request, 1)}
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Protocols: &protocols, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		o.requests <- r.Clone(context.Background())
	})}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		require.NoError(t, server.Close())
		require.ErrorIs(t, <-done, http.ErrServerClosed)
		if o.conn != nil {
			require.NoError(t, o.conn.Close())
		}
	})
	return o
}

// connect makes the connection, if there is none.
func (o *other) connect(t require.TestingT) {
	if o.conn != nil {
		return
	}
	var err error
	o.conn, err = net.Dial("tcp", o.addr)
	require.NoError(t, err)
	_, err = io.WriteString(o.conn, http2.ClientPreface)
	require.NoError(t, err)
	o.framer, o.stream = http2.NewFramer(o.conn, o.conn), 1
	require.NoError(t, o.framer.WriteSettings())
}

// ask sends a list, and returns what net/http made of it; nil if it refused it.
func (o *other) ask(t require.TestingT, list []field) *http.Request {
	o.connect(t)
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	for _, f := range list {
		require.NoError(t, e.WriteField(hpack.HeaderField{Name: f.name, Value: f.value, Sensitive: true}))
	}
	id := o.stream
	o.stream += 2
	require.NoError(t, o.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true}))
	for {
		frame, err := o.framer.ReadFrame()
		if err != nil {
			require.NoError(t, o.conn.Close())
			o.conn = nil
			return nil
		}
		if frame.Header().StreamID != id {
			continue
		}
		switch frame.(type) {
		case *http2.RSTStreamFrame:
			return nil
		case *http2.HeadersFrame:
			select {
			case r := <-o.requests:
				return r
			default:
				return nil
			}
		}
	}
}
