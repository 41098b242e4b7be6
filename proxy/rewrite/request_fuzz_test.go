package rewrite

import (
	"bufio"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/http1/http1test"
)

// FuzzHead makes the head for a backend of any head that is accepted, and has net/http read it. It
// must be one request, framed as we read it, and no field of the client's may pass for one of ours.
func FuzzHead(f *testing.F) {
	for _, head := range []string{
		http1test.Browser,
		http1test.Get("Connection: X-A, close", "X-A: b", "Keep-Alive: x"),
		http1test.Get("X-Forwarded-For: 6.6.6.6", "x_forwarded_for: 6.6.6.6", "Forwarded: for=6.6.6.6", "X-Real_IP: 6.6.6.6"),
		"POST http://a/b?c HTTP/1.1\r\nHost: A\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
		"POST / HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n0\r\n\r\n",
		"GET / HTTP/1.0\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nB: c\r\n d\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\nTransfer Encoding: chunked\r\n\r\n",
	} {
		f.Add(head)
	}
	f.Fuzz(func(t *testing.T, head string) { checkHead(t, head) })
}

func checkHead(t require.TestingT, head string) {
	if http1test.Parse(head) == nil {
		return
	}
	r := headOf(t, head)
	line, rest, _ := strings.Cut(string(r.AppendHead(nil)), "\r\n")
	checkRequestLine(t, r, line)
	checkPassedOn(t, head, rest)
	checkAsRead(t, r, rest)
}

func checkRequestLine(t require.TestingT, r *Request, line string) {
	parts := strings.Split(line, " ")
	require.Len(t, parts, 3)
	require.Equal(t, string(r.Received.Method), parts[0])
	if target := string(r.Received.Target); target[0] == '/' || target == "*" {
		require.Equal(t, target, parts[1])
	} else {
		require.True(t, parts[1] == "*" || parts[1][0] == '/', line)
		require.True(t, strings.HasSuffix(target, strings.TrimLeft(parts[1], "/*")), line)
	}
	require.Equal(t, "HTTP/1.1", parts[2])
}

// checkPassedOn checks that each line is one of the client's, in their order, or one of ours.
func checkPassedOn(t require.TestingT, in, out string) {
	theirs := strings.SplitAfter(in, "\r\n")
	for line := range strings.SplitAfterSeq(out, "\r\n") {
		if i := slices.Index(theirs, line); i >= 0 {
			theirs = theirs[i+1:]
			continue
		}
		name, _, _ := strings.Cut(line, ":")
		require.Contains(t, []string{
			"Host", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "Max-Forwards", "Via", "X-Real-IP", "X-Request-ID",
			"Content-Length", "Transfer-Encoding", "Expect", "TE", "Connection", "\r\n", "",
		}, name, "%q", out)
	}
}

// checkAsRead checks how a server reads the head.
func checkAsRead(t require.TestingT, r *Request, rest string) {
	// net/http takes no % in a path that begins no escape, and this isn't about paths.
	from := bufio.NewReader(strings.NewReader(string(r.Received.Method) + " / HTTP/1.1\r\n" + rest))
	got, err := http.ReadRequest(from)
	require.NoError(t, err, "%q", rest)
	left, err := io.ReadAll(from)
	require.NoError(t, err)
	if r.Received.HasBody() {
		left = nil // It begins with what should have been the body, if at all.
	}
	require.Empty(t, left, "%q", rest)

	switch size := r.Received.Size; size {
	case http1.SizeNone:
		require.Zero(t, got.ContentLength)
		require.Empty(t, got.TransferEncoding)
	case http1.SizeChunked:
		require.Equal(t, []string{"chunked"}, got.TransferEncoding)
	default:
		require.Equal(t, size, got.ContentLength)
	}
	if host := r.Received.Host; len(host) > 0 {
		require.Equal(t, string(host), got.Host)
	}
	checkForwarding(t, got.Header)
}

// checkForwarding checks that the fields that say who the client is are ours, when names are read
// as loosely as CGI does.
func checkForwarding(t require.TestingT, header http.Header) {
	want := map[string]string{"x-forwarded-for": "192.0.2.1", "x-forwarded-proto": "http", "x-real-ip": "192.0.2.1", "x-request-id": "id"}
	for name, values := range header {
		loose := strings.Map(func(c rune) rune {
			if unicode.IsLetter(c) || unicode.IsDigit(c) {
				return unicode.ToLower(c)
			}
			return '-'
		}, name)
		switch loose {
		case "x-forwarded-for", "x-forwarded-proto", "x-real-ip", "x-request-id":
			require.Equal(t, []string{want[loose]}, values, name)
		case "x-forwarded-host":
			require.Len(t, values, 1)
		case "x-forwarded-port":
			require.Len(t, values, 1)
			port, err := strconv.Atoi(values[0])
			require.True(t, err == nil && 1 <= port && port <= 65535, values[0])
		case "connection":
			require.Equal(t, []string{"Upgrade"}, values)
		case "te":
			require.Equal(t, []string{"trailers"}, values)
		case "expect":
			require.Equal(t, []string{"100-continue"}, values)
		case "forwarded", "keep-alive", "proxy-connection", "proxy-authorization":
			require.Fail(t, "not for backends", name)
		default:
			require.False(t, strings.HasPrefix(loose, "x-forwarded-"), name)
		}
	}
}

// TestHead does the same with heads that are mostly good.
func TestHead(t *testing.T) {
	name := rapid.SampledFrom([]string{
		"Accept", "Connection", "connection", "Keep-Alive", "X-Forwarded-For", "x_forwarded_for", "X-Forwarded.Host", "X-Real-IP", "forwarded",
		"X-A", "x-a", "X-B", "TE", "Upgrade", "Expect", "Content-Length", "Transfer-Encoding", "Host", "Cookie", "Trailer", "Date", "Via", "X-Request_ID",
	})
	value := rapid.OneOf(rapid.SampledFrom([]string{"close", "X-A", "x-b, X-A", "5", "chunked", "100-continue", "a", ""}), rapid.StringMatching(`[ -~\t]{0,20}`))
	field := rapid.Custom(func(t *rapid.T) string { return name.Draw(t, "name") + ":" + value.Draw(t, "value") })
	target := rapid.SampledFrom([]string{"/", "/a?b", "http://example.com", "http://Example.com/x", "//x", "/%zz"})
	passed := 0
	rapid.Check(t, func(t *rapid.T) {
		fields := rapid.SliceOfN(field, 0, 6).Draw(t, "fields")
		head := "GET " + target.Draw(t, "target") + " HTTP/1.1\r\nHost: example.com\r\n" + http1test.Lines(fields...) + "\r\n"
		if http1test.Parse(head) != nil {
			passed++
		}
		checkHead(t, head)
	})
	require.NotZero(t, passed)
}
