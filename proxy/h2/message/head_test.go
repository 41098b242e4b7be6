package message

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/http1"
)

const (
	testBytes  = 16 << 10
	testFields = 128
)

// fieldsOf makes a list of names and values.
func fieldsOf(pairs ...string) (list []field) {
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, field{pairs[i], pairs[i+1]})
	}
	return list
}

// get is the list of a GET with more fields.
func get(pairs ...string) []field {
	return fieldsOf(append([]string{":method", "GET", ":scheme", "https", ":authority", "a", ":path", "/"}, pairs...)...)
}

func take(h *Head, list []field) {
	for _, f := range list {
		h.Field(f.name, f.value)
	}
}

// end reads a list by itself.
func end(list []field, endStream bool) ([]byte, error) {
	var h Head
	h.Reset(testBytes, testFields)
	take(&h, list)
	return h.End(endStream)
}

// parse reads a list as a server does.
func parse(list []field, endStream bool) (*http1.Request, error) {
	text, err := end(list, endStream)
	if err != nil {
		return nil, err
	}
	r := &http1.Request{}
	if why := r.Parse(text); why != nil {
		return nil, why
	}
	return r, nil
}

func TestHeadIsWrittenAsHTTP1(t *testing.T) {
	f := func(want string, endStream bool, list []field) {
		t.Helper()
		text, err := end(list, endStream)
		if assert.NoError(t, err) {
			assert.Equal(t, want, string(text))
			assert.Nil(t, new(http1.Request).Parse(text))
		}
	}
	f("GET / HTTP/1.1\r\nhost: a\r\n\r\n", true, get())
	f("GET / HTTP/1.1\r\nhost: a\r\nx: \r\ny: b c\td\xe9\r\n\r\n", true, get("x", "", "y", "b c\td\xe9"))
	f("M-SEARCH /b?c=:// HTTP/1.1\r\nhost: a:8443\r\n\r\n", true,
		fieldsOf(":path", "/b?c=://", ":authority", "a:8443", ":scheme", "HTTP", ":method", "M-SEARCH"))
	f("OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n", true, fieldsOf(":method", "OPTIONS", ":scheme", "http", ":authority", "a", ":path", "*"))

	// Bodies.
	f("GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n", false, get())
	f("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nx: y\r\n\r\n", false, get("content-length", "5", "x", "y"))
	f("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n", false, get("content-length", "0"))
	f("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 000\r\n\r\n", true, get("content-length", "000"))
	f("GET / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\nte: Trailers\r\ntransfer-encoding: chunked\r\n\r\n", false,
		get("expect", "100-continue", "te", "Trailers"))

	// Hosts.
	f("GET / HTTP/1.1\r\nhost: A:80\r\nx: y\r\n\r\n", true,
		fieldsOf(":method", "GET", ":scheme", "https", ":authority", "A:80", ":path", "/", "x", "y", "host", "a:80"))
	f("GET / HTTP/1.1\r\nx: y\r\nhost: a\r\n\r\n", true, fieldsOf(":method", "GET", ":scheme", "https", ":path", "/", "x", "y", "host", "a"))

	// Cookies.
	f("GET / HTTP/1.1\r\nhost: a\r\nx: y\r\ncookie: b=c; d=e; \r\nz: \r\n\r\n", true,
		get("x", "y", "cookie", "b=c", "cookie", "d=e", "z", "", "cookie", ""))
	f("GET / HTTP/1.1\r\nhost: a\r\ncookie: b=c\r\n\r\n", true, get("cookie", "b=c"))
}

func TestHeadIsMalformed(t *testing.T) {
	f := func(reason, field string, list []field) {
		t.Helper()
		for _, endStream := range []bool{true, false} {
			if reason == "content-length" && !endStream {
				continue
			}
			text, err := end(list, endStream)
			var why *Malformed
			if assert.ErrorAs(t, err, &why, "%q", list) {
				assert.Equal(t, reason, why.Reason, "%q", list)
				assert.Equal(t, field, why.Field, "%q", list)
				assert.Nil(t, text)
			}
		}
	}
	// Names (RFC 9113, section 8.2.1).
	for _, name := range []string{
		"", "X", "x-A", "x y", " x", "x ", "x:", "x:y", "a\x00", "a\r\nb", "a\n", "a\x7f", "caf\xe9", "\u00e9", "a\tb", "a(b", "a\"", "a,b", "a/b", "{",
	} {
		f("field-name", "", get(name, "v"))
	}

	// Values.
	for _, value := range []string{
		"\r", "\n", "\x00", "a\r\nb: c", "a\n b", "a\r\n\r\nGET /admin HTTP/1.1\r\nhost: a\r\n\r\n", "12345678\x00", "\x01\r",
	} {
		f("field-value", "x", get("x", value))
		f("field-value", "cookie", get("cookie", "a=b", "cookie", value))
	}
	for _, value := range []string{" ", "\t", " a", "a ", "\ta", "a\t"} {
		f("field-space", "x", get("x", value))
	}

	// Fields of a connection (section 8.2.2).
	for _, name := range []string{"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"} {
		f("field-connection", name, get(name, "x"))
		f("field-connection", name, get(name, ""))
	}
	f("field-connection", "transfer-encoding", get("transfer-encoding", "chunked"))
	f("field-connection", "upgrade", get("upgrade", "websocket"))
	for _, value := range []string{"", "gzip", "trailers, gzip", "trailers;q=1", "deflate"} {
		f("te", "te", get("te", value))
	}

	// Pseudo fields (section 8.3).
	pseudo := func(method, scheme, authority, path string, more ...string) []field {
		return fieldsOf(append([]string{":method", method, ":scheme", scheme, ":authority", authority, ":path", path}, more...)...)
	}
	for _, name := range []string{":", ":status", ":protocol", ":Method", ":method ", ":host", "::path", ":path:"} {
		f("pseudo-unknown", "", get(name, "x"))
		f("pseudo-unknown", "", append(fieldsOf(name, "200"), get()...))
	}
	f("pseudo-late", ":path", fieldsOf(":method", "GET", ":scheme", "https", "x", "y", ":path", "/"))
	f("pseudo-late", ":authority", fieldsOf(":method", "GET", ":scheme", "https", ":path", "/", "host", "a", ":authority", "a"))
	for _, name := range []string{":method", ":scheme", ":path", ":authority"} {
		list := get(name, "x")
		f("pseudo-twice", name, list)
		list = get()
		for i := range list {
			if list[i].name == name {
				f("pseudo-twice", name, append(list[:i:i], append(fieldsOf(name, list[i].value), list[i:]...)...))
			}
		}
	}
	f("pseudo-method", ":method", fieldsOf(":scheme", "https", ":authority", "a", ":path", "/"))
	f("pseudo-scheme", ":scheme", fieldsOf(":method", "GET", ":authority", "a", ":path", "/"))
	f("pseudo-path", ":path", fieldsOf(":method", "GET", ":scheme", "https", ":authority", "a"))
	f("pseudo-method", ":method", nil)
	for _, value := range []string{
		" ", "GET /admin HTTP/1.1\r\nx: y", "G\x00", "\t", "a\x7f", "GET ", " GET", "http://a/ HTTP/1.1\r\n",
	} {
		f("pseudo-value", ":method", pseudo(value, "https", "a", "/"))
		f("pseudo-value", ":scheme", pseudo("GET", value, "a", "/"))
		f("pseudo-value", ":authority", pseudo("GET", "https", value, "/"))
		f("pseudo-value", ":path", pseudo("GET", "https", "a", "/"+value))
	}
	for _, method := range []string{"", "(", "GET/", "G\xe9T", "GET:"} {
		f("pseudo-method", ":method", pseudo(method, "https", "a", "/"))
	}
	for _, scheme := range []string{"", "1", "ht_tp", "http:", "http://x/?", "https://internal/?", "h\xe9"} {
		f("pseudo-scheme", ":scheme", pseudo("GET", scheme, "a", "/"))
	}
	for _, path := range []string{"", "a", "?a", "http://b/", "HTTP://b", "https:", "**", "*/", "%2f", "\\", "@b/", ":80/"} {
		f("pseudo-path", ":path", pseudo("GET", "https", "a", path))
	}

	// CONNECT (section 8.5).
	f("pseudo-connect", "", fieldsOf(":method", "CONNECT"))
	f("pseudo-connect", "", pseudo("CONNECT", "https", "a:443", "/"))
	f("pseudo-connect", "", fieldsOf(":method", "CONNECT", ":authority", "a:443", ":path", "/"))
	f("pseudo-connect", "", fieldsOf(":method", "CONNECT", ":authority", "a:443", ":scheme", "https"))
	f("pseudo-unknown", "", fieldsOf(":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":path", "/", ":authority", "a"))

	f("content-length", "content-length", get("content-length", "1"))
	f("content-length", "content-length", get("content-length", "010"))
}

func TestHeadIsRefused(t *testing.T) {
	f := func(status int, reason, field string, list []field) {
		t.Helper()
		for _, endStream := range []bool{true, false} {
			_, err := parse(list, endStream)
			var why *http1.Refusal
			if assert.ErrorAs(t, err, &why, "%q", list) {
				assert.Equal(t, status, why.Status, "%q", list)
				assert.Equal(t, reason, why.Reason, "%q", list)
				assert.Equal(t, field, why.Field, "%q", list)
			}
		}
	}
	// What HTTP/2 adds.
	f(400, "host-authority", "Host", get("host", "b"))
	f(400, "host-authority", "Host", get("host", ""))
	f(400, "host-authority", "Host", get("host", "a:443"))
	f(400, "host-authority", "Host", get("host", "a@b"))
	for _, scheme := range []string{"ftp", "ws", "a+b-c.1"} {
		f(501, "target-scheme", "", fieldsOf(":method", "GET", ":scheme", scheme, ":authority", "a", ":path", "/"))
	}

	// HTTP/1's own rules.
	f(501, "connect", "", fieldsOf(":method", "CONNECT", ":authority", "a:443"))
	f(501, "connect", "", fieldsOf(":method", "CONNECT", ":authority", "a:443", "host", "a:443"))
	f(400, "host-count", "Host", get("host", "a", "host", "a"))
	f(400, "host-count", "Host", get("host", "b", "host", "a"))
	f(400, "host-count", "Host", fieldsOf(":method", "GET", ":scheme", "https", ":path", "/", "host", "a", "host", "a"))
	f(400, "host-missing", "Host", fieldsOf(":method", "GET", ":scheme", "https", ":path", "/"))
	for _, authority := range []string{"", "user@a", "user:password@a", "a@", "a,b", "a/b", "a?b", "a#b", ":80", "a:b", "[::1", "a\\b", "caf\xe9"} {
		f(400, "host", "Host", fieldsOf(":method", "GET", ":scheme", "https", ":authority", authority, ":path", "/"))
		f(400, "host", "Host", fieldsOf(":method", "GET", ":scheme", "https", ":path", "/", "host", authority))
	}
	for _, path := range []string{"/#", "/\"", "/<", "/caf\xe9", "/\u00e9"} {
		f(400, "target-byte", "", fieldsOf(":method", "GET", ":scheme", "https", ":authority", "a", ":path", path))
	}
	f(400, "target-asterisk", "", fieldsOf(":method", "GET", ":scheme", "https", ":authority", "a", ":path", "*"))
	for _, value := range []string{"a\x01", "\x7f", "a\x1bb"} {
		f(400, "field-value", "x", get("x", value))
	}
	f(400, "content-length-count", "Content-Length", get("content-length", "5", "content-length", "5"))
	for _, length := range []string{"", "-1", "+1", "5,5", "0x5", "1e1", "1234567890123456789"} {
		if length == "1234567890123456789" {
			_, err := parse(get("content-length", length), false)
			assert.ErrorContains(t, err, "not a size")
			continue
		}
		f(400, "content-length", "Content-Length", get("content-length", length))
	}
	f(417, "expect", "Expect", get("expect", "201-created"))
	f(400, "max-forwards", "Max-Forwards", fieldsOf(":method", "OPTIONS", ":scheme", "https", ":authority", "a", ":path", "*", "max-forwards", "x"))
}

func TestHeadIsBounded(t *testing.T) {
	list := get("cookie", "a=b", "cookie", "c=d", "x", strings.Repeat("y", 100))
	size := 0
	for _, f := range list {
		size += len(f.name) + len(f.value) + 32
	}
	read := func(maxBytes, maxFields int) error {
		var h Head
		h.Reset(maxBytes, maxFields)
		take(&h, list)
		text, err := h.End(true)
		require.Equal(t, err == nil, text != nil)
		return err
	}
	f := func(reason string, maxBytes, maxFields int) {
		t.Helper()
		var why *http1.Refusal
		require.ErrorAs(t, read(maxBytes, maxFields), &why)
		require.Equal(t, reason, why.Reason)
		require.Equal(t, 431, why.Status)
	}
	require.NoError(t, read(size, len(list)))
	f("header-size", size-1, len(list))
	f("header-size", 0, len(list))
	f("field-count", size, len(list)-1)
	f("field-count", size, 0)
}

func TestHeadStopsStoringAtItsBounds(t *testing.T) {
	var h Head
	f := func(maxBytes, maxFields int, each field) {
		h.Reset(maxBytes, maxFields)
		take(&h, get())
		for range 100_000 {
			h.Field(each.name, each.value)
		}
		require.LessOrEqual(t, len(h.fields), 16)
		_, err := h.End(true)
		require.Error(t, err)
		require.LessOrEqual(t, cap(h.fields), 32)
		require.LessOrEqual(t, cap(h.text), 1<<10)
	}
	f(testBytes, 16, field{"cookie", ""})
	f(600, testFields, field{"x", ""})
	f(testBytes, 16, field{"X", ""})
	f(testBytes, 16, field{":path", "/"})
}

// TestHeadFindsTheFirstFault has the first fault of a list count, and none behind a bound.
func TestHeadFindsTheFirstFault(t *testing.T) {
	_, err := end(get("X", "", "te", "gzip"), true)
	require.Equal(t, "field-name", err.(*Malformed).Reason)

	var h Head
	h.Reset(testBytes, 4)
	take(&h, get("X", ""))
	_, err = h.End(true)
	require.Equal(t, "field-count", err.(*http1.Refusal).Reason)
}

// TestHeadForgets has one Head read lists one after the other, as if each were alone.
func TestHeadForgets(t *testing.T) {
	lists := [][]field{
		get("host", "a", "cookie", "a=b", "cookie", "c=d"), get("content-length", "5"), get("X", ""), nil, get(),
		get("cookie", "a=b"), fieldsOf(":method", "GET", ":scheme", "https", ":path", "/", "host", "b"),
	}
	var h Head
	for _, first := range lists {
		for _, second := range lists {
			h.Reset(testBytes, testFields)
			take(&h, first)
			_, _ = h.End(false)
			h.Reset(testBytes, testFields)
			take(&h, second)
			text, err := h.End(false)
			want, wantErr := end(second, false)
			require.Equal(t, string(want), string(text))
			require.Equal(t, wantErr, err)
		}
	}
	require.Empty(t, h.fields[:cap(h.fields)][0], "nothing of the decoder's is held")
}

func TestHeadDoesNotAllocate(t *testing.T) {
	list := get(
		"user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "accept", "text/html", "accept-language", "en-US,en;q=0.5",
		"accept-encoding", "gzip, deflate, br, zstd", "x-api-key", "0123456789abcdef", "cookie", "session=abcdef", "cookie", "theme=dark", "te", "trailers",
	)
	var h Head
	var r http1.Request
	n := testing.AllocsPerRun(100, func() {
		h.Reset(testBytes, testFields)
		take(&h, list)
		text, err := h.End(false)
		if err != nil || r.Parse(text) != nil {
			t.Fatal(err)
		}
	})
	require.Zero(t, n)
}

func BenchmarkHead(b *testing.B) {
	list := get("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "accept", "text/html",
		"accept-encoding", "gzip, deflate, br, zstd", "x-api-key", "0123456789abcdef")
	var h Head
	b.ReportAllocs()
	for b.Loop() {
		h.Reset(testBytes, testFields)
		take(&h, list)
		if _, err := h.End(true); err != nil {
			b.Fatal(err)
		}
	}
}
