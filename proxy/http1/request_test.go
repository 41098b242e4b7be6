package http1

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// browser is a request as browsers send it.
const browser = "GET /api/v1/items?page=2&sort=name HTTP/1.1\r\n" +
	"Host: shop.example.com\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Connection: keep-alive\r\n" +
	"Cookie: session=abcdefghijklmnopqrstuvwxyz; theme=dark\r\n\r\n"

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

// parse reads a head, which must be complete.
func parse(t require.TestingT, head string) (*Request, *Refusal) {
	require.Equal(t, len(head), HeadEnd([]byte(head), 0), "%q", head)
	r := &Request{}
	return r, r.Parse([]byte(head))
}

func TestParseLetsPass(t *testing.T) {
	f := func(head string) {
		t.Helper()
		_, refusal := parse(t, head)
		assert.Nil(t, refusal, "%q", head)
	}
	f(browser)
	f(get())
	f(get("a:b"))
	f(get("A:"))
	f(get("A: \t b \t "))
	f(get("A: tab\tinside, caf\xe9, \u00e9"))
	f(get("!#$%&'*+-.^_`|~09azAZ: token"))
	f(get("Connection: close, keep-alive,, TE ,Upgrade"))
	f(get("Connection: " + strings.Repeat("x,", MaxOptions)))
	f("GET / HTTP/1.1\r\n" + lines("Host: a") + strings.Repeat("a: b\r\n", MaxFields-1) + "\r\n")

	// Methods and targets.
	f("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
	f("M-SEARCH /a HTTP/1.1\r\nHost: a\r\n\r\n")
	f("GET /a/../b//c/%2e%2e/d%2Fe?q={}|[]^`\\' HTTP/1.1\r\nHost: a\r\n\r\n")
	f("GET //evil/path HTTP/1.1\r\nHost: a\r\n\r\n")
	f("GET http://example.com/a?b HTTP/1.1\r\nHost: Example.COM\r\n\r\n")
	f("GET HTTPS://example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n")
	f("GET http://example.com?a HTTP/1.0\r\n\r\n")
	f("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n")
	f("GET http://a:80/ HTTP/1.1\r\nHost: a\r\n\r\n")
	f("GET http://a:/ HTTP/1.0\r\nHost: a:443\r\n\r\n")

	// Versions.
	for minor := '1'; minor <= '9'; minor++ {
		f("GET / HTTP/1." + string(minor) + "\r\nHost: a\r\n\r\n")
	}

	// Hosts.
	f("GET / HTTP/1.0\r\n\r\n")
	f("GET / HTTP/1.0\r\nA: b\r\n\r\n")
	f("GET / HTTP/1.1\r\nhOST:a_b.example-1.com:65535\r\n\r\n")
	f("GET / HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n")
	f("GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n")

	// Bodies.
	f("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
	f("POST / HTTP/1.0\r\nContent-Length: 12\r\n\r\n")
	f("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
	f("POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding:\tChunked\r\n\r\n")
	f("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nexpect: 100-Continue\r\n\r\n")
	f("POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: something\r\n\r\n")
}

func TestParseRefuses(t *testing.T) {
	f := func(status int, detail, head string) {
		t.Helper()
		_, r := parse(t, head)
		if assert.NotNil(t, r, "%q", head) {
			assert.Equal(t, status, r.Status, "%q", head)
			assert.Contains(t, r.Detail, detail, "%q", head)
		}
	}
	const end = "\r\nHost: a\r\n\r\n"
	f(505, "want HTTP/1.1", "GET / HTTP/2.0"+end)
	f(505, "want HTTP/1.1", "GET / HTTP/0.9"+end)

	f(501, "CONNECT", "CONNECT a:443 HTTP/1.1"+end)
	f(501, "CONNECT", "CONNECT / HTTP/1.1"+end)

	// Targets.
	f(501, "scheme", "GET ftp://a/ HTTP/1.1"+end)
	f(501, "scheme", "GET a+b-c.1://a HTTP/1.1"+end)
	f(400, "percent-encoded", "GET /# HTTP/1.1"+end)
	f(400, "percent-encoded", "GET http://a/#x HTTP/1.1"+end)
	f(400, "percent-encoded", "GET /a\"b HTTP/1.1"+end)
	f(400, "percent-encoded", "GET /<> HTTP/1.1"+end)
	f(400, "percent-encoded", "GET /caf\xe9 HTTP/1.1"+end)
	f(400, "percent-encoded", "GET /\u00e9 HTTP/1.1"+end)
	f(400, "target's host", "GET http://user:pass@a/ HTTP/1.1"+end)
	f(400, "target's host", "GET http://a@b/ HTTP/1.1"+end)
	f(400, "target's host", "GET http:///path HTTP/1.1"+end)
	f(400, "target's host", "GET http://?q HTTP/1.1"+end)
	f(400, "target's host", "GET http://a\\b/ HTTP/1.1"+end)
	f(400, "target's host", "GET http://:/ HTTP/1.1"+end)
	f(400, "target's host", "GET http://a::/ HTTP/1.1"+end)
	for _, target := range []string{
		"admin", "a:80", "?x", ".", "*/x", "%2F", "mailto:a", "http:", "http:/a", "http:a", "http:\\\\a/", "://a/", "1a://a/", "a b://c/", "f_t://a/",
	} {
		f(400, "", "GET "+target+" HTTP/1.1"+end)
	}

	// Lines.
	f(400, "CRLF", "GET / HTTP/1.1\r\nHost: a\nB: c\r\n\r\n")
	f(400, "CRLF", "GET / HTTP/1.1\r\nHost: a\r\nB: c\n\r\n")
	f(400, "CRLF", "GET / HTTP/1.1\r\nHost: a\r\nB: c\r\n\n")
	f(400, "CRLF", "GET / HTTP/1.1\nHost: a\r\n\r\n")
	f(400, "CRLF", "GET / HTTP/1.1\n\n")
	f(400, "CRLF", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
	f(400, "folded", "GET / HTTP/1.1\r\nHost: a\r\nB: c\r\n d\r\n\r\n")
	f(400, "folded", "GET / HTTP/1.1\r\nHost: a\r\nB: c\r\n\td: e\r\n\r\n")
	f(400, "folded", "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n")
	f(400, "name", get("Transfer Encoding: chunked"))
	f(400, "name", get("Content Length: 5"))
	f(431, "too many", "GET / HTTP/1.1\r\n"+lines("Host: a")+strings.Repeat("a: b\r\n", MaxFields)+"\r\n")
	f(400, "Connection option", get("Connection: a b"))
	f(400, "Connection option", get("Connection: \"a\""))
	f(400, "too many fields", get("Connection: "+strings.Repeat("x,", MaxOptions), "connection: y"))

	// Hosts.
	for _, host := range []string{
		"a b", "a,b", "a/b", "a@b", ":", "a::", "a:80:", "::", "[::1]::", "a:x", "a:123456", "a:80:80", ":80", "a\\b", "a%62", "caf\xe9", "a;b", "a?", "a#",
		"[::1", "[::1]x", "[]", "[1.2.3.4]", "[::1%25eth0]", "::1",
	} {
		f(400, "Host is not", "GET / HTTP/1.0\r\nHost: "+host+"\r\n\r\n")
	}
	f(400, "Host is not", "GET / HTTP/1.0\r\nHost:\r\n\r\n")
	f(400, "Host is not", "GET http://a/ HTTP/1.1\r\nHost: a@b\r\n\r\n")
	f(400, "more than one Host", "GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n")
	f(400, "no Host", "GET http://a/ HTTP/1.1\r\n\r\n")

	// Bodies.
	f(400, "both", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n")
	f(400, "both", "POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n")
	f(400, "exactly chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n")
	f(400, "both", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: identity\r\n\r\n")
	for _, coding := range []string{"gzip", "cow", "GZIP", "x-gzip", "deflate, gzip", "gzip, chunked", "a1,\tb ,Chunked"} {
		f(501, "not implemented", get("Transfer-Encoding: "+coding))
		f(400, "both", get("Transfer-Encoding: "+coding, "Content-Length: 1"))
		f(400, "more than one", get("Transfer-Encoding: "+coding, "Transfer-Encoding: chunked"))
		f(400, "with HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: "+coding+"\r\n\r\n")
	}
	for _, coding := range []string{
		"", ",", "chunked,", ",chunked", "gzip,", "gzip,,chunked", "chunked, chunked", "chunked, gzip", "gzip, chunked, chunked", "gzip, chunked, gzip",
		"xchunked", "chunkedx", "x-chunked", "ch-unked", "chunk", "CHUNK-ed", "chun1ked", "chchunked", "chunked;q=1", "gzip;q=1", "gzip;q=1, chunked",
		"chunked gzip", "\"chunked\"", "'chunked'", "ch%75nked", "chun_ked", "gzip, xchunked", "identity", "Identity, chunked", "gzip, identity",
	} {
		f(400, "exactly chunked", get("Transfer-Encoding: "+coding))
	}
	for _, fields := range []string{"Max-Forwards:", "Max-Forwards: x", "Max-Forwards: -1", "Max-Forwards: 1, 1", "Max-Forwards: 1\r\nMax-Forwards: 1", "max-forwards: 1 1"} {
		f(400, "Max-Forwards", "TRACE / HTTP/1.1\r\nHost: a\r\n"+fields+"\r\n\r\n")
		f(400, "Max-Forwards", "OPTIONS * HTTP/1.1\r\nHost: a\r\n"+fields+"\r\n\r\n")
	}
	f(417, "100-continue", get("Expect: 200-ok"))
	f(417, "100-continue", get("expect:"))
	f(417, "100-continue", get("Expect: x", "Expect: 100-continue"))
}

func TestParseRefusesMore(t *testing.T) {
	g := func(head string) {
		t.Helper()
		_, refusal := parse(t, head)
		if assert.NotNil(t, refusal, "%q", head) {
			assert.Equal(t, 400, refusal.Status, "%q", head)
		}
	}
	g("GET / HTTP/1.1\r\n\r\n")
	g("GET / HTTP/1.1\r\nHost:\r\n\r\n")
	g("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n")
	g("GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n")
	g("GET * HTTP/1.1\r\nHost: a\r\n\r\n")
	g("GET /a\r\n\r\n")
	g("GET  / HTTP/1.1\r\nHost: a\r\n\r\n")
	g("GET / a HTTP/1.1\r\nHost: a\r\n\r\n")
	g("GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n")
	g("GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n")
	g("GET / HTTP/1.1 \r\nHost: a\r\n\r\n")
	g("GET / http/1.1\r\nHost: a\r\n\r\n")
	g("GET /\r\nHost: a\r\n\r\n")
	g("G(T / HTTP/1.1\r\nHost: a\r\n\r\n")
	g("G\x00T / HTTP/1.1\r\nHost: a\r\n\r\n")
	g("GET / HTTP/1.1\r\n Host: a\r\n\r\n")
	g(get("A : b"))
	g(get("A\t: b"))
	g(get(": b"))
	g(get("A"))
	g(get("A\x00: b"))
	g(get("\xe9: b"))
	g(get("A: b\rc"))
	g(get("A: b\r\r"))
	for c := byte(0); c < 0x20; c++ {
		if c != '\t' && c != '\r' && c != '\n' {
			g(get("A: b" + string(c) + "c"))
		}
	}
	g(get("A: b\x7f"))
	g(get("Content-Length: +5"))
	g(get("Content-Length: -5"))
	g(get("Content-Length: 5, 5"))
	g(get("Content-Length: 0x5"))
	g(get("Content-Length:"))
	g(get("Content-Length: 99999999999999999999"))
	g(get("Content-Length: 5", "content-length: 5"))
	g(get("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"))
	g(get("Transfer-Encoding: chunked, identity"))
	g(get("Transfer-Encoding: xchunked"))
	g(get("Transfer-Encoding: \"chunked\""))
	g(get("Transfer-Encoding: chunked;a=b"))
	g("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n")
}

// What the fields come to.
func TestParseConcludes(t *testing.T) {
	f := func(head string, check func(r *Request)) {
		t.Helper()
		r, refusal := parse(t, head)
		require.Nil(t, refusal, "%q", head)
		check(r)
	}
	const post = "POST / HTTP/1.1\r\nHost: a\r\n"
	f(get(), func(r *Request) {
		assert.Equal(t, SizeNone, r.Size)
		assert.True(t, r.KeepAlive && r.HTTP11 && r.Idempotent())
		assert.False(t, r.HasBody() || r.Expect || r.IsHead() || r.TrailersWelcome)
		assert.Equal(t, "example.com", string(r.Host))
		assert.Nil(t, r.Authority)
		assert.Equal(t, "/", string(r.Path))
	})
	f(post+"Content-Length: 0012\r\nexpect: 100-Continue\r\n\r\n", func(r *Request) {
		assert.EqualValues(t, 12, r.Size)
		assert.True(t, r.Expect && r.HasBody())
		assert.False(t, r.Idempotent())
	})
	f(post+"Content-Length: 0\r\nExpect: 100-continue\r\n\r\n", func(r *Request) { assert.False(t, r.Expect || r.HasBody()) })
	f(post+"Transfer-Encoding: chunked\r\n\r\n", func(r *Request) { assert.Equal(t, SizeChunked, r.Size) })
	f("POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", func(r *Request) { assert.False(t, r.Expect || r.KeepAlive) })
	f("GET / HTTP/1.0\r\nConnection: x, Keep-Alive\r\n\r\n", func(r *Request) { assert.True(t, r.KeepAlive) })
	f("GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", func(r *Request) { assert.False(t, r.KeepAlive) })
	f(get("Connection: Close"), func(r *Request) { assert.False(t, r.KeepAlive) })
	f(get("TE: gzip;q=0.5, Trailers"), func(r *Request) { assert.True(t, r.TrailersWelcome) })
	f(get("Connection: X-A, upgrade", "Upgrade: a/1, b"), func(r *Request) {
		assert.Equal(t, "a/1, b", string(r.Upgrade))
		assert.True(t, r.Named.Contains([]byte("x-a")))
		assert.False(t, r.Named.Contains([]byte("upgrade")))
	})
	f(get("Upgrade: a"), func(r *Request) { assert.Nil(t, r.Upgrade) })
	host := func(head, want string, stands bool) {
		t.Helper()
		f(head, func(r *Request) {
			assert.Equal(t, want, string(r.Host), "%q", head)
			assert.Equal(t, stands, r.HostStands, "%q", head)
		})
	}
	host("GET http://A:80/b HTTP/1.0\r\n\r\n", "A:80", false)
	host("GET http://a:80/b HTTP/1.0\r\nHost: a\r\n\r\n", "a:80", false)
	host("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "b", false)
	host("GET http://B/ HTTP/1.1\r\nHost: b\r\n\r\n", "B", false)
	host("GET http://b:/ HTTP/1.1\r\nHost: b:\r\n\r\n", "b", false)
	host("GET http://b/ HTTP/1.1\r\nHost:b \r\n\r\n", "b", true)
	host("GET http://[::1]:?x HTTP/1.1\r\nHost: a\r\n\r\n", "[::1]", false)
	host("GET / HTTP/1.1\r\nHost: A:80\r\n\r\n", "A:80", true)
	host("GET / HTTP/1.1\r\nHost: a:\r\n\r\n", "a", false)
	host("GET / HTTP/1.1\r\nHost: [::1]:\r\n\r\n", "[::1]", false)
	f("GET / HTTP/1.0\r\n\r\n", func(r *Request) { assert.Nil(t, r.Host) })
	f("GET / HTTP/1.7\r\nHost: a\r\n\r\n", func(r *Request) { assert.True(t, r.HTTP11 && r.KeepAlive) })
	forwards := func(method, value string, want int64) {
		t.Helper()
		f(method+" / HTTP/1.1\r\nHost: a\r\nMax-Forwards: "+value+"\r\n\r\n", func(r *Request) { assert.Equal(t, want, r.MaxForwards, "%s %q", method, value) })
	}
	forwards("TRACE", "0", 0)
	forwards("OPTIONS", "007", 7)
	forwards("OPTIONS", strings.Repeat("0", 30), 0)
	forwards("OPTIONS", strings.Repeat("9", 18), 1e18-1)
	forwards("OPTIONS", strings.Repeat("9", 19), 1e18-1)
	forwards("GET", "0", Unlimited)
	forwards("GET", "x", Unlimited)
	f("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", func(r *Request) { assert.Equal(t, Unlimited, r.MaxForwards) })
	f("HEAD / HTTP/1.1\r\nHost:a\r\nB: \tc d \t\r\n\r\n", func(r *Request) {
		assert.True(t, r.IsHead())
		require.Len(t, r.Fields, 2)
		assert.Equal(t, "B: \tc d \t\r\n", string(r.Fields[1].Line))
		assert.Equal(t, "B", string(r.Fields[1].Name))
		assert.Equal(t, "c d", string(r.Fields[1].Value))
	})
}

// Nothing of a request is left in the next one.
func TestParseForgets(t *testing.T) {
	var used, fresh Request
	heads := []string{
		browser, get("Connection: a, close, upgrade", "Upgrade: x", "TE: trailers"), "GET http://a/ HTTP/1.0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n", "nonsense\r\n\r\n", get(),
	}
	for _, head := range append(heads, heads...) {
		fresh = Request{}
		assert.Equal(t, fresh.Parse([]byte(head)), used.Parse([]byte(head)))
		used.Named.names = fresh.Named.names // Only the first n count.
		assert.Equal(t, len(fresh.Fields), len(used.Fields))
		used.Fields, fresh.Fields = nil, nil
		assert.Equal(t, fresh, used)
	}
}

func TestParseDoesNotAllocate(t *testing.T) {
	var r Request
	for _, head := range []string{browser, "GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\nConnection: a, b\r\n\r\n"} {
		b := []byte(head)
		require.Nil(t, r.Parse(b))
		assert.Zero(t, testing.AllocsPerRun(100, func() { r.Parse(b) }))
	}
}

func TestHeadEnd(t *testing.T) {
	f := func(want int, b string) {
		t.Helper()
		for from := range len(b) + 1 {
			// As if it had come in two parts.
			if HeadEnd([]byte(b[:from]), 0) == 0 {
				assert.Equal(t, want, HeadEnd([]byte(b), from), "%q from %d", b, from)
			}
		}
	}
	f(0, "")
	f(0, "GET / HTTP/1.1\r\nHost: a\r\n")
	f(0, "GET / HTTP/1.1\r\nHost: a\r\n\r")
	f(18, "GET / HTTP/1.1\r\n\r\n")
	f(18, "GET / HTTP/1.1\r\n\r\nmore\r\n\r\n")
	f(16, "GET / HTTP/1.1\n\n")
	f(17, "GET / HTTP/1.1\r\n\n")
	f(17, "GET / HTTP/1.1\n\r\n")
}

func TestBeginsRequest(t *testing.T) {
	f := func(want bool, b string) {
		t.Helper()
		assert.Equal(t, want, BeginsRequest([]byte(b)), "%q", b)
	}
	f(true, "G")
	f(true, "GET")
	f(true, "GET /\x00")
	f(true, "\r")
	f(false, "\rG")
	f(false, "\x16\x03\x01")
	f(false, " GET")
	f(false, "GET\r")
	f(false, "G(")
}

// What we take for one request, net/http takes for the same.
func FuzzParse(f *testing.F) {
	for _, head := range []string{
		browser, get("Connection: X-A, close", "X-A: b"), "POST http://a/b?c HTTP/1.1\r\nHost: A\r\nContent-Length: 5\r\n\r\n",
		"POST / HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "GET / HTTP/1.0\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
	} {
		f.Add([]byte(head))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Request
		n := HeadEnd(b, 0)
		if n == 0 || r.Parse(b[:n]) != nil {
			return
		}
		// net/http takes no % in a path that begins no escape, and this isn't about paths.
		head := bytes.TrimLeft(b[:n], "\r\n")
		head = bytes.Replace(head, append(append([]byte(" "), r.Target...), ' '), []byte(" / "), 1)
		from := bufio.NewReader(bytes.NewReader(head))
		theirs, err := http.ReadRequest(from)
		require.NoError(t, err, "%q", head)
		require.Equal(t, string(r.Method), theirs.Method)
		switch r.Size {
		case SizeNone:
			require.Zero(t, theirs.ContentLength)
			require.Empty(t, theirs.TransferEncoding)
		case SizeChunked:
			require.Equal(t, []string{"chunked"}, theirs.TransferEncoding)
		default:
			require.Equal(t, r.Size, theirs.ContentLength)
		}
		count := 0
		for _, values := range theirs.Header {
			count += len(values)
		}
		for _, f := range r.Fields {
			if Is(f.Name, "host") || Is(f.Name, "transfer-encoding") || Is(f.Name, "trailer") {
				count++
			}
		}
		if !theirs.Close && r.Named.n == 0 {
			require.Equal(t, len(r.Fields), count, "%q", head)
		}
	})
}
