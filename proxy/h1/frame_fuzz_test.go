package h1

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/rewrite"
)

// strictBody is a body as we must frame it: the test's own reader, which takes no liberties.
func strictBody(t *testing.T, br *bufio.Reader, chunked bool, length int64) string {
	if !chunked {
		body := make([]byte, length)
		_, err := io.ReadFull(br, body)
		require.NoError(t, err)
		return string(body)
	}
	var body strings.Builder
	for {
		line, err := br.ReadString('\n')
		require.NoError(t, err)
		require.Regexp(t, "^[0-9a-f]+\r\n$", line)
		var n int64
		_, err = fmt.Sscanf(line, "%x\r\n", &n)
		require.NoError(t, err)
		if n == 0 {
			trailers, err := io.ReadAll(br)
			require.NoError(t, err)
			require.Regexp(t, "^([^\r\n]+:[^\r\n]*\r\n)*\r\n$", string(trailers))
			return body.String()
		}
		_, err = io.CopyN(&body, br, n)
		require.NoError(t, err)
		end := make([]byte, 2)
		_, err = io.ReadFull(br, end)
		require.NoError(t, err)
		require.Equal(t, "\r\n", string(end))
	}
}

// Whatever a backend sends, what the client gets is strict, if it gets any: one framing, CRLF
// everywhere, nothing of the connection behind us. And what it gets is what the backend's body was.
func FuzzResponsesAreFramedAnew(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello", "HTTP/1.2 200 OK\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked\n\n5 \nhello\n0 \nX: y\n\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\nConnection: X-A\r\nX-A: b\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 204 No\r\nContent-Length: 05\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nall",
	} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, wire []byte, http11 bool) {
		out, want := framedAnew(wire, http11)
		if out == nil {
			return
		}
		end := http1.HeadEnd(out, 0)
		require.NotRegexp(t, "[^\r]\n", string(out[:end]))
		var again http1.Response
		require.Nil(t, again.Parse(out[:end]), "%q", out)
		require.Zero(t, again.Mended, "%q", out)
		theirs, err := http.ReadResponse(bufio.NewReader(strings.NewReader(string(out))), nil)
		require.NoError(t, err, "%q", out)
		for _, f := range again.Fields {
			require.NotContains(t, []string{"keep-alive", "proxy-connection", "te"}, strings.ToLower(string(f.Name)))
			require.False(t, again.Status < 200 && http1.Is(f.Name, "content-length"), "%q", out)
		}
		if !again.HasBody(false) {
			require.Equal(t, end, len(out))
			return
		}
		chunked := len(theirs.TransferEncoding) > 0
		if !chunked && theirs.ContentLength < 0 {
			require.Equal(t, want, string(out[end:]))
			return
		}
		require.Equal(t, want, strictBody(t, bufio.NewReader(strings.NewReader(string(out[end:]))), chunked, theirs.ContentLength))
	})
}

// framedAnew is what a client gets for what a backend sends and ends with, without sockets; nil if
// it is refused. want is the body.
func framedAnew(wire []byte, http11 bool) (out []byte, want string) {
	var x Exchange
	x.Init()
	x.in.limit = 16 << 10
	from := strings.NewReader(string(wire))
	var err error
	if x.head, err = x.in.readHead(from, &x.Response); err != nil || x.Response.Status == http1.StatusSwitching {
		return nil, ""
	}
	h := &rewrite.Response{Received: &x.Response}
	if x.Response.Interim() {
		return append(h.AppendHead(nil), "\r\n"...), ""
	}
	x.BeginBody(false)
	rest, _ := io.ReadAll(from)
	data := append([]byte(string(x.Unread())), rest...)
	n, err := x.decode(data)
	if err != nil || !x.Complete() && !x.body.End() {
		return nil, ""
	}
	to := &incoming{}
	to.head.HTTP11, to.head.KeepAlive = http11, true
	var o outgoing
	o.init(nil, &Settings{WantsClose: func() bool { return false }}, to)
	o.compose(h, data[:n], true, x.Trailers())
	return o.out, string(data[:n])
}
