package rewrite

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/http1/http1test"
	"gopher-equalizer/proxy/identity"
)

// headOf returns a Request as proxy fills it, for a client that came straight to us.
func headOf(t require.TestingT, head string) *Request {
	h := http1test.Request(t, head)
	return &Request{
		Received:  h,
		Peer:      netip.MustParseAddr("192.0.2.1"),
		Client:    netip.MustParseAddr("192.0.2.1"),
		Scheme:    "http",
		Authority: "10.0.0.1:8081",
		Rules:     &Rules{},
		RequestID: []byte("id"),
		Upgrade:   PassesUpgrade(h),
	}
}

// ours is what every request to a backend ends with, if it came from 192.0.2.1 for host.
func ours(host string) string {
	return http1test.Lines("X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: http", "X-Forwarded-Host: "+host, "X-Forwarded-Port: 80", "X-Real-IP: 192.0.2.1", "X-Request-ID: id")
}

func TestRequestHead(t *testing.T) {
	f := func(head, want string) {
		t.Helper()
		assert.Equal(t, want, string(headOf(t, head).AppendHead(nil)))
	}
	f("GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\n"+ours("a")+"\r\n")
	// Spelling, white space, order and repetition stay.
	f("PURGE /a/../b//c/%2e%2E/d%2Fe;f?g={h}&&i HTTP/1.1\r\nx-ODD:  1 \r\nhOST:\tA.example:80\r\nUser-Agent: x\r\nuser-agent: y\r\nCookie: b\r\nX-odd:2\r\ncookie: a\r\nAccept:\r\n\r\n",
		"PURGE /a/../b//c/%2e%2E/d%2Fe;f?g={h}&&i HTTP/1.1\r\nx-ODD:  1 \r\nhOST:\tA.example:80\r\nUser-Agent: x\r\nuser-agent: y\r\nCookie: b\r\nX-odd:2\r\ncookie: a\r\nAccept:\r\n"+ours("A.example:80")+"\r\n")
	// HTTP/1.0 becomes 1.1, with a Host in any case.
	f("GET / HTTP/1.0\r\nHost: a\r\nB: c\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nB: c\r\n"+ours("a")+"\r\n")
	f("GET http://a/ HTTP/1.0\r\nB: c\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nB: c\r\n"+ours("a")+"\r\n")
	f("GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: 10.0.0.1:8081\r\n"+
		http1test.Lines("X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: http", "X-Forwarded-Port: 80", "X-Real-IP: 192.0.2.1", "X-Request-ID: id")+"\r\n")
}

func TestRequestTarget(t *testing.T) {
	f := func(method, target, want string) {
		t.Helper()
		got := string(headOf(t, method+" "+target+" HTTP/1.1\r\nHost: a\r\n\r\n").AppendHead(nil))
		assert.Equal(t, method+" "+want+" HTTP/1.1\r\nHost: a\r\n"+ours("a")+"\r\n", got)
	}
	f("GET", "/", "/")
	f("GET", "//a//b", "//a//b")
	f("GET", "/http://b/", "/http://b/")
	f("GET", "/?", "/?")
	f("GET", "http://a/b?c", "/b?c")
	f("GET", "HTTPS://a//b", "//b")
	f("GET", "http://a", "/")
	f("GET", "http://a?b/c", "/?b/c")
	f("OPTIONS", "*", "*")
	f("OPTIONS", "http://a", "*")
	f("OPTIONS", "http://a/", "/")
	f("OPTIONS", "http://a?b", "/?b")
}

// The authority of an absolute target is the Host, whatever the field says; a Host goes on without
// the colon of an empty port.
func TestHostOfTheTarget(t *testing.T) {
	f := func(target, host, want string) {
		t.Helper()
		r := headOf(t, "GET "+target+" HTTP/1.4\r\nA: b\r\nHost: "+host+"\r\n\r\n")
		assert.Equal(t, "GET /x HTTP/1.1\r\nHost: "+want+"\r\nA: b\r\n"+ours(want)+"\r\n", string(r.AppendHead(nil)))
		r.Host = "pool"
		assert.Equal(t, "GET /x HTTP/1.1\r\nHost: pool\r\nA: b\r\n"+ours(want)+"\r\n", string(r.AppendHead(nil)))
	}
	f("http://b/x", "a", "b")
	f("http://a:80/x", "a", "a:80")
	f("http://B:/x", "b", "B")
	f("/x", "a:", "a")
	f("/x", "[::1]:", "[::1]")
}

func TestHopByHopStaysHere(t *testing.T) {
	f := func(fields ...string) {
		t.Helper()
		want := "GET / HTTP/1.1\r\nHost: example.com\r\n" + ours("example.com") + "\r\n"
		assert.Equal(t, want, string(headOf(t, http1test.Get(fields...)).AppendHead(nil)), "%q", fields)
	}
	f("Connection: close")
	f("CONNECTION: Keep-Alive", "keep-alive: timeout=5", "Proxy-connection: keep-alive")
	f("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: x")
	f("Proxy-Authorization: Basic x", "proxy-authenticate: x")
	f("TE: gzip", "te: x", "Trailer: A", "trailer: B")
	f("Expect: 100-continue", "expect: 100-continue")
	// Connection names fields before and after it, several times, in any case.
	f("X-A: 1", "Connection: x-a, ,x-b", "X-b: 2", "x-A: 3", "connection:x-c", "X-C: 4")
	f("Connection: X-A", "X-A: 1", "Connection: close")
	// Names that a CGI variable would make ours.
	f("Keep_Alive: x", "Proxy_Authorization: x", "Transfer_Encoding: chunked", "Content_Length: 5", "transfer.encoding: x")
}

func TestConnectionCannotNameWhatWeNeed(t *testing.T) {
	r := headOf(t, "POST / HTTP/1.1\r\nConnection: Host, Content-Length, X-Forwarded-For, X-Real-IP, X-Request-ID, x-a\r\nHost: a\r\nContent-Length: 5\r\nX-A: b\r\n\r\n")
	assert.Equal(t, "POST / HTTP/1.1\r\nHost: a\r\n"+ours("a")+"Content-Length: 5\r\n\r\n", string(r.AppendHead(nil)))

	r = headOf(t, http1test.Get("Connection: X-Forwarded-For, X-Forwarded-Proto", "X-Forwarded-For: 198.51.100.4", "X-Forwarded-Proto: https"))
	r.TrustedPeer = true
	got := string(r.AppendHead(nil))
	assert.Contains(t, got, "\r\nX-Forwarded-For: 198.51.100.4, 192.0.2.1\r\n")
	assert.Contains(t, got, "\r\nX-Forwarded-Proto: https\r\n")
}

func TestMaxForwardsIsCountedDown(t *testing.T) {
	f := func(method, want string, fields ...string) {
		t.Helper()
		r := headOf(t, method+" / HTTP/1.1\r\nHost: a\r\n"+http1test.Lines(fields...)+"\r\n")
		assert.Equal(t, method+" / HTTP/1.1\r\nHost: a\r\n"+want+ours("a")+"\r\n", string(r.AppendHead(nil)))
	}
	for _, method := range []string{"TRACE", "OPTIONS"} {
		f(method, "Max-Forwards: 9\r\n", "max-forwards: 10")
		f(method, "Max-Forwards: 0\r\n", "Max-Forwards: 001")
		f(method, "Max-Forwards: 999999999999999998\r\n", "Max-Forwards: 123456789012345678901234567890")
		f(method, "Max-Forwards: 1\r\n", "Connection: Max-Forwards", "Max-Forwards: 2")
		f(method, "", "Max_Forwards: 5")
	}
	f("GET", "max-forwards:  5\r\nMax-Forwards: x\r\n", "max-forwards:  5", "Max-Forwards: x")
	f("GET", "", "Connection: max-forwards", "Max-Forwards: 5")
}

func TestHostOfThePool(t *testing.T) {
	f := func(head, want string) {
		t.Helper()
		r := headOf(t, head)
		r.Host = "internal.example"
		assert.Equal(t, want, string(r.AppendHead(nil)))
	}
	f("GET / HTTP/1.1\r\nA: b\r\nhost: a\r\nC: d\r\n\r\n", "GET / HTTP/1.1\r\nHost: internal.example\r\nA: b\r\nC: d\r\n"+ours("a")+"\r\n")
	f("GET http://a/b HTTP/1.0\r\n\r\n", "GET /b HTTP/1.1\r\nHost: internal.example\r\n"+ours("a")+"\r\n")
}

func TestHops(t *testing.T) {
	f := func(want string, fields ...string) {
		t.Helper()
		r := headOf(t, "POST / HTTP/1.1\r\nHost: a\r\n"+http1test.Lines(fields...)+"\r\n")
		assert.Equal(t, "POST / HTTP/1.1\r\nHost: a\r\n"+ours("a")+want+"\r\n", string(r.AppendHead(nil)))
	}
	f("Content-Length: 0\r\n", "content-LENGTH: 0")
	f("Content-Length: 1099511627776\r\n", "Content-Length: 0001099511627776")
	f("")
	f("Transfer-Encoding: chunked\r\n", "TRANSFER-ENCODING: Chunked")
	f("Content-Length: 5\r\nExpect: 100-continue\r\n", "expect: 100-Continue", "Content-Length: 5")
	f("", "Expect: 100-continue")
	f("TE: trailers\r\nConnection: TE\r\n", "te: gzip, Trailers", "Connection: te")
	f("", "Connection: upgrade")
	f("", "Upgrade: websocket")
	f("", "Upgrade: h2c, websocket", "Connection: upgrade, http2-settings", "HTTP2-Settings: x")
}

func TestUpgradesPass(t *testing.T) {
	r := headOf(t, "GET / HTTP/1.1\r\nuPGRADE:  webSocket\r\nHost: a\r\nConnection: keep-alive, upgrade\r\nSec-WebSocket-Key:\r\nsec-webSOCKET-version: 13\r\n\r\n")
	assert.Equal(t, "GET / HTTP/1.1\r\nuPGRADE:  webSocket\r\nHost: a\r\nSec-WebSocket-Key:\r\nsec-webSOCKET-version: 13\r\n"+
		ours("a")+"Connection: Upgrade\r\n\r\n", string(r.AppendHead(nil)))
}

func TestAnUpgradeWithTrailersWelcome(t *testing.T) {
	r := headOf(t, "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, te\r\nUpgrade: websocket\r\nTE: trailers\r\n\r\n")
	assert.Equal(t, "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"+ours("a")+"TE: trailers\r\nConnection: TE, Upgrade\r\n\r\n",
		string(r.AppendHead(nil)))
}

func TestTrailersPass(t *testing.T) {
	r := headOf(t, "POST / HTTP/1.1\r\nHost: a\r\nTrailer: X-Sum\r\nConnection: x-private\r\nTransfer-Encoding: chunked\r\n\r\n")
	key, err := identity.ParseKey("header:X-Api-Key", true)
	require.NoError(t, err)
	r.Rules.Guarded = Guard(key.Header())
	assert.Contains(t, string(r.AppendHead(nil)), "\r\nTrailer: X-Sum\r\n")
	f := func(want bool, name string) {
		t.Helper()
		assert.Equal(t, want, r.PassesTrailer(http1.Field{Name: []byte(name)}), name)
	}
	f(true, "X-Sum")
	f(true, "grpc-status")
	for _, name := range []string{
		"X-Private", "Connection", "TE", "Trailer", "Content-Length", "Transfer-Encoding", "Host", "X-Forwarded-For", "x_forwarded_for", "X-Real-IP",
		"X-Request-ID", "Forwarded", "X-Api-Key", "x_api_key", "Upgrade", "Proxy-Authorization",
	} {
		f(false, name)
	}
}

func TestRequestHeadKeepsWhatIsThere(t *testing.T) {
	r := headOf(t, http1test.Get("Connection: a", "A: b"))
	assert.Equal(t, "before"+string(r.AppendHead(nil)), string(r.AppendHead([]byte("before"))))
}

func TestRequestHeadDoesNotAllocate(t *testing.T) {
	dst := make([]byte, 0, 4096)
	f := func(r *Request) {
		t.Helper()
		assert.Zero(t, testing.AllocsPerRun(100, func() { dst = r.AppendHead(dst[:0]) }))
	}
	f(headOf(t, http1test.Browser))
	f(headOf(t, http1test.Get("Connection: X-A, X-B", "X-A: b", "X-B: c")))
	r := headOf(t, http1test.Get("X-Forwarded-For: a, b", "X-Forwarded-For: c"))
	r.TrustedPeer, r.Peer = true, netip.MustParseAddr("2001:db8::1")
	f(r)
}
