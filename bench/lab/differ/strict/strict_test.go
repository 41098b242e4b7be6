package strict

import (
	"bufio"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func reader(text string) *bufio.Reader { return bufio.NewReader(strings.NewReader(text)) }

func TestReadRequest(t *testing.T) {
	br := reader("POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nX-A:\t b \r\n\r\nhello" +
		"PUT / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: Chunked\r\n\r\n5;a=b\r\nhello\r\nA\r\n0123456789\r\n0\r\nX-T: y\r\n\r\n" +
		"GET * HTTP/1.0\r\n\r\n" + "PUT / HTTP/1.3\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	r, err := ReadRequest(br, nil)
	require.NoError(t, err)
	assert.Equal(t, &Request{"POST", "/a?b", "HTTP/1.1", Fields{{"Host", "x"}, {"Content-Length", "5"}, {"X-A", "b"}}, Body{Data: []byte("hello")}}, r)
	r, err = ReadRequest(br, nil)
	require.NoError(t, err)
	assert.Equal(t, Body{Data: []byte("hello0123456789"), Chunked: true, Trailers: Fields{{"X-T", "y"}}}, r.Body)
	r, err = ReadRequest(br, func(r *Request) { assert.Equal(t, "*", r.Target) })
	require.NoError(t, err)
	assert.Empty(t, r.Data)
	r, err = ReadRequest(br, nil)
	require.NoError(t, err)
	assert.Equal(t, Body{Chunked: true}, r.Body)
	_, err = ReadRequest(br, nil)
	assert.Equal(t, io.EOF, err)
}

func TestWhatIsNoRequest(t *testing.T) {
	const get = "GET / HTTP/1.1\r\nHost: a\r\n"
	const chunked = get + "Transfer-Encoding: chunked\r\n\r\n"
	for _, text := range []string{
		"\r\n" + get + "\r\n", "GET / HTTP/1.1\nHost: a\r\n\r\n", "GET /\r\n\r\n", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
		"G{T / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", "GET / HTTP/1.x\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.10\r\nHost: a\r\n\r\n", "GET / HTTP/1.2\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\n", get + "Host: a\r\n\r\n",
		get + "A : b\r\n\r\n", get + "A: b\r\n c\r\n\r\n", get + "A: b\rc\r\n\r\n", get + "A: \x01\r\n\r\n", get + "A\r\n\r\n",
		get + "Content-Length: +5\r\n\r\nhello", get + "Content-Length: \r\n\r\n", get + "Content-Length: 9999999999999999999\r\n\r\n",
		get + "Content-Length: 1\r\nContent-Length: 1\r\n\r\na", get + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		get + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		chunked + "5 \r\nhello\r\n0\r\n\r\n", chunked + "0x5\r\nhello\r\n0\r\n\r\n", chunked + "\r\n", chunked + "5\nhello\r\n0\r\n\r\n",
		chunked + "5\r\nhello!\r\n0\r\n\r\n", chunked + "5\r\nhello0\r\n\r\n", chunked + "fffffffffffffffff\r\n", chunked + "0;\x01\r\n\r\n",
		chunked + "0\r\nA b: c\r\n\r\n",
	} {
		_, err := ReadRequest(reader(text), nil)
		assert.ErrorAs(t, err, &Malformed{}, "%q", text)
	}
	for _, text := range []string{get, "G", get + "Content-Length: 6\r\n\r\nhello", chunked, chunked + "5\r\nhel", chunked + "5\r\nhello", chunked + "0\r\n"} {
		_, err := ReadRequest(reader(text), nil)
		assert.Equal(t, ErrCut, err, "%q", text)
	}
}

func TestReadResponse(t *testing.T) {
	f := func(method, text string, status int, data, left string) {
		t.Helper()
		br := reader(text)
		a, err := ReadResponse(br, method)
		require.NoError(t, err)
		rest, err := io.ReadAll(br)
		require.NoError(t, err)
		assert.Equal(t, []any{status, data, left}, []any{a.Status, string(a.Data), string(rest)})
	}
	f("GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc", 200, "ab", "c")
	f("GET", "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\nc", 200, "a", "c")
	f("GET", "HTTP/1.0 200 \r\n\r\nabc", 200, "abc", "")
	f("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc", 200, "", "abc")
	f("GET", "HTTP/1.1 204 OK\r\n\r\nabc", 204, "", "abc")
	f("GET", "HTTP/1.1 304 OK\r\nContent-Length: 3\r\n\r\nabc", 304, "", "abc")
	f("GET", "HTTP/1.1 103 Hints\r\n\r\nabc", 103, "", "abc")
}

func TestWhatIsNoResponse(t *testing.T) {
	for _, text := range []string{
		"HTTP/1.2 200 OK\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1  200 OK\r\n\r\n", "HTTP/1.1 099 OK\r\n\r\n", "abc\r\n",
		"HTTP/1.1 200 OK\r\nA b: c\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
	} {
		_, err := ReadResponse(reader(text), "GET")
		assert.ErrorAs(t, err, &Malformed{}, "%q", text)
	}
	_, err := ReadResponse(reader("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab"), "GET")
	assert.Equal(t, ErrCut, err)
	_, err = ReadResponse(reader(""), "GET")
	assert.Equal(t, io.EOF, err)
}

func TestFields(t *testing.T) {
	f := Fields{{"Connection", "a, Close"}, {"connection", "b"}}
	assert.Equal(t, []string{"a, Close", "b"}, f.All("CONNECTION"))
	assert.True(t, f.Has("connection", "close"))
	assert.False(t, f.Has("connection", "c"))
}

// Nobody may write what a recipient may mend in a response.
func TestReadReceived(t *testing.T) {
	f := func(text, data, left string) {
		t.Helper()
		br := reader(text)
		a, err := ReadReceived(br, "GET")
		require.NoError(t, err, "%q", text)
		rest, err := io.ReadAll(br)
		require.NoError(t, err)
		assert.Equal(t, []string{data, left}, []string{string(a.Data), string(rest)}, "%q", text)
		_, err = ReadResponse(reader(text), "GET")
		assert.ErrorAs(t, err, &Malformed{}, "%q", text)
	}
	const ok, chunked = "HTTP/1.1 200 OK\r\n", "Transfer-Encoding: chunked\r\n"
	f("HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nabc", "ab", "c")
	f("HTTP/1.1 200 OK\nContent-Length: 2\n\nabc", "ab", "c")
	f(ok+"Content-Length: 2, 2\r\nContent-Length: 2\r\n\r\nabc", "ab", "c")
	f(ok+chunked+chunked+"\r\n1\r\na\r\n0\r\n\r\nc", "a", "c")
	f(ok+chunked+"Content-Length: 5\r\n\r\n1\r\na\r\n0\r\n\r\nc", "a", "c")
	f(ok+chunked+"\r\n1 \r\na\r\n0\t;x\r\n\r\nc", "a", "c")
	f(ok+chunked+"\r\n1\na\n0\nX: y\n\nc", "a", "c")
}

func TestWhatNobodyMends(t *testing.T) {
	const ok, chunked = "HTTP/1.1 200 OK\r\n", "Transfer-Encoding: chunked\r\n"
	for _, text := range []string{
		"HTTP/2.0 200 OK\r\n\r\n", ok + "Content-Length: 2, 02\r\n\r\nab", ok + "Content-Length: 2,\r\n\r\nab", ok + "Content-Length: +2, +2\r\n\r\nab",
		ok + chunked + "Transfer-Encoding: gzip\r\n\r\n", ok + chunked + "Content-Length: x\r\n\r\n", "HTTP/1.0 200 OK\r\n" + chunked + "\r\n",
		ok + chunked + "\r\n1 1\r\na\r\n", ok + chunked + "\r\n 1\r\na\r\n", ok + chunked + "\r\n2\r\na\r\n0\r\n\r\n", ok + chunked + "\r\n1\r\na\n0\r\n\r\n",
		ok + "A: b\rC: d\n\n",
	} {
		_, err := ReadReceived(reader(text), "GET")
		assert.ErrorAs(t, err, &Malformed{}, "%q", text)
	}
}
