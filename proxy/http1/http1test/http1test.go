// Package http1test makes the heads of requests and responses for tests.
package http1test

import (
	"strings"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/http1"
)

// Get returns the head of a GET request with more fields, each "Name: value".
func Get(fields ...string) string {
	return "GET / HTTP/1.1\r\nHost: example.com\r\n" + Lines(fields...) + "\r\n"
}

// Lines returns the fields, each ended by CRLF.
func Lines(fields ...string) string {
	var b strings.Builder
	for _, f := range fields {
		b.WriteString(f + "\r\n")
	}
	return b.String()
}

// Request parses the head of a request, which must be accepted.
func Request(t require.TestingT, head string) *http1.Request {
	h := Parse(head)
	require.NotNil(t, h, "%q", head)
	return h
}

// Parse parses the head of a request. It returns nil if the head is incomplete or refused.
func Parse(head string) *http1.Request {
	h := new(http1.Request)
	n := http1.HeadEnd([]byte(head), 0)
	if n == 0 || h.Parse([]byte(head[:n])) != nil {
		return nil
	}
	return h
}

// Response parses the head of a response, which must be accepted.
func Response(t require.TestingT, head string) *http1.Response {
	h := new(http1.Response)
	require.Nil(t, h.Parse([]byte(head)), "%q", head)
	return h
}
