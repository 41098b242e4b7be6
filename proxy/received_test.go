package proxy

import (
	"strings"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/identity"
)

// received parses a request's head, which must pass.
func received(t require.TestingT, head string) *http1.Request {
	h := parse(head)
	require.NotNil(t, h, "%q", head)
	return h
}

// parse is nil for a head that isn't complete, or is refused.
func parse(head string) *http1.Request {
	h := new(http1.Request)
	n := http1.HeadEnd([]byte(head), 0)
	if n == 0 || h.Parse([]byte(head[:n])) != nil {
		return nil
	}
	return h
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

// answered parses an answer's head, which must pass.
func answered(t require.TestingT, head string) *http1.Answer {
	h := new(http1.Answer)
	require.Nil(t, h.Parse([]byte(head)), "%q", head)
	return h
}

func mustKey(t require.TestingT, spec string, secret bool) identity.Key {
	k, err := identity.ParseKey(spec, secret)
	require.NoError(t, err)
	return k
}
