package proxy

import (
	"bufio"
	"strings"

	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"
)

// received parses a request's head as the server does.
func received(t require.TestingT, head string) *fasthttp.RequestHeader {
	h, err := parse(head)
	require.NoError(t, err, "%q", head)
	return h
}

func parse(head string) (*fasthttp.RequestHeader, error) {
	h := new(fasthttp.RequestHeader)
	h.DisableNormalizing()
	err := h.Read(bufio.NewReaderSize(strings.NewReader(head), 64<<10))
	return h, err
}

// get is a GET request's head with more fields, each "Name: value".
func get(fields ...string) string {
	return "GET / HTTP/1.1\r\nHost: example.com\r\n" + lines(fields...) + "\r\n"
}

func lines(fields ...string) string {
	var b strings.Builder
	for _, f := range fields {
		b.WriteString(f + "\r\n")
	}
	return b.String()
}

// answered parses an answer's head as the forwarder does.
func answered(t require.TestingT, head string) *fasthttp.ResponseHeader {
	h := new(fasthttp.ResponseHeader)
	h.SetNoDefaultContentType(true)
	require.NoError(t, readAnswer(h, head), "%q", head)
	return h
}

func readAnswer(h *fasthttp.ResponseHeader, head string) error {
	h.DisableNormalizing()
	return h.Read(bufio.NewReaderSize(strings.NewReader(head), 64<<10))
}

func mustKey(t require.TestingT, spec string, secret bool) Key {
	k, err := ParseKey(spec, secret)
	require.NoError(t, err)
	return k
}
