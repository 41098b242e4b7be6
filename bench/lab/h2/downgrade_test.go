//go:build linux

package h2

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"gopher-equalizer/balancer/tlstest"
	"gopher-equalizer/bench/lab/differ/play"
	"gopher-equalizer/bench/lab/differ/strict"
	"gopher-equalizer/bench/lab/h2/raw"
)

// smuggling is a request that is harmless in HTTP/2, or malformed there, and another one once it is
// HTTP/1.
type smuggling struct {
	name   string
	fields []hpack.HeaderField
	data   []string // frames of the body; none if the header is the end
	// trailers come behind the data. They are the end unless endless is set.
	trailers []hpack.HeaderField
	endless  bool
	// partly is whether a part of it may get to the backend, since it is malformed in its end only.
	partly bool
	// want is what the backend gets, and nothing else: the request line and, behind " | ", header
	// lines. Empty if the request must be refused.
	want string
}

// evil is a request in HTTP/1 that must not arrive.
const evil = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"

// with is a request with a field behind its others.
func with(name, value string) []hpack.HeaderField { return get("/x", name, value) }

// but is a request whose field has another value.
func but(name, value string) []hpack.HeaderField {
	fields := get("/x")
	for i := range fields {
		if fields[i].Name == name {
			fields[i].Value = value
		}
	}
	return fields
}

// without is a request that lacks a field, and has others.
func without(name string, more ...string) []hpack.HeaderField {
	return slices.DeleteFunc(get("/x", more...), func(f hpack.HeaderField) bool { return f.Name == name })
}

// twice is a request that has a field twice.
func twice(name, value string) []hpack.HeaderField {
	return append(raw.Pairs(name, value), get("/x")...)
}

// smugglings are all of them, by the sections of RFC 9113.
func smugglings() []smuggling {
	return slices.Concat(names(), values(), pseudo(), connections(), lengths(), authorities(), trailers(), allowed())
}

// Section 8.2.1.
func names() (all []smuggling) {
	for what, name := range map[string]string{
		"upper case": "X-Upper", "empty": "", "a space": "x y", "a space at the end": "x ", "a tab": "x\ty", "a colon": "x:y", "a colon at the end": "transfer-encoding:",
		"CR LF": "x\r\ntransfer-encoding", "a whole request": "x: y\r\n\r\n" + evil, "LF": "x\ny", "CR": "x\ry", "NUL": "x\x00y", "DEL": "x\x7fy", "8 bits": "x\xffy", "a slash": "x/y",
		"an unknown pseudo field": ":smuggled", "a response's pseudo field": ":status",
	} {
		all = append(all, smuggling{name: "a name: " + what, fields: with(name, "chunked")})
	}
	return all
}

// Section 8.2.1.
func values() (all []smuggling) {
	for what, value := range map[string]string{
		"CR LF": "y\r\nx-smuggled: 1", "a whole request": "y\r\n\r\n" + evil, "LF": "y\nx-smuggled: 1", "CR": "y\rx-smuggled: 1", "NUL": "y\x00z",
		"a space in front": " y", "a space behind": "y ", "a tab in front": "\ty", "a tab behind": "y\t", "CR LF at the end": "y\r\n", "a fold": "y\r\n z",
	} {
		all = append(all, smuggling{name: "a value: " + what, fields: with("x-value", value)})
	}
	return all
}

// Sections 8.3.1 and 8.5.
func pseudo() (all []smuggling) {
	for _, name := range []string{":method", ":scheme", ":path"} {
		all = append(all,
			smuggling{name: "without " + name, fields: without(name)},
			smuggling{name: name + " behind others", fields: append(without(name, "x-value", "y"), but(name, "GET")[:1]...)},
		)
	}
	for name, value := range map[string]string{":method": "GET", ":scheme": "https", ":path": "/x", ":authority": site} {
		all = append(all, smuggling{name: name + " twice", fields: twice(name, value)})
	}
	for what, path := range map[string]string{
		"empty": "", "relative": "x", "a star": "*", "a space": "/x y", "a whole request": "/x HTTP/1.1\r\nHost: localhost\r\n\r\n" + evil, "a line": "/x HTTP/1.1\r\nx-smuggled: 1",
		"LF": "/x\ny", "CR": "/x\ry", "NUL": "/x\x00", "a tab": "/x\ty", "8 bits": "/x\xff", "absolute": "http://localhost/x", "an authority": "localhost:443", "a fragment": "/x#y",
	} {
		all = append(all, smuggling{name: "a path: " + what, fields: but(":path", path)})
	}
	for what, method := range map[string]string{
		"empty": "", "a space": "GET /smuggled", "a whole request": "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\nGET", "CR LF": "GET\r\n", "8 bits": "GE\xff", "a colon": "GET:",
	} {
		all = append(all, smuggling{name: "a method: " + what, fields: but(":method", method)})
	}
	for what, scheme := range map[string]string{"a URL": "http://evil.test/?", "CR LF": "https\r\nx-smuggled: 1", "a space": "https x", "empty": ""} {
		all = append(all, smuggling{name: "a scheme: " + what, fields: but(":scheme", scheme)})
	}
	return append(all,
		smuggling{name: "CONNECT with a path", fields: raw.Fields("CONNECT", "https", "localhost:443", "/smuggled")},
		smuggling{name: "CONNECT without an authority", fields: raw.Pairs(":method", "CONNECT")},
		smuggling{name: "CONNECT", fields: raw.Pairs(":method", "CONNECT", ":authority", "localhost:443")},
		smuggling{name: "CONNECT with a protocol", fields: append(raw.Pairs(":protocol", "websocket"), raw.Fields("CONNECT", "https", site, "/x")...)},
		smuggling{name: "GET with a protocol", fields: twice(":protocol", "websocket")},
	)
}

// Section 8.2.2.
func connections() (all []smuggling) {
	for _, field := range [][2]string{
		{"connection", "close"},
		{"connection", "keep-alive"},
		{"connection", "x-value"},
		{"proxy-connection", "keep-alive"},
		{"keep-alive", "timeout=5"},
		{"transfer-encoding", "chunked"},
		{"transfer-encoding", "identity"},
		{"transfer-encoding", ""},
		{"upgrade", "h2c"},
		{"upgrade", "websocket"},
		{"te", "gzip"},
		{"te", "trailers, gzip"},
		{"te", "chunked"},
	} {
		all = append(all, smuggling{name: field[0] + ": " + field[1], fields: with(field[0], field[1])})
	}
	return append(all,
		smuggling{name: "chunks in a body", fields: post("/x", "transfer-encoding", "chunked"), data: []string{"0\r\n\r\n" + evil}},
		smuggling{name: "chunks with a length", fields: post("/x", "content-length", "5", "transfer-encoding", "chunked"), data: []string{"0\r\n\r\n"}},
	)
}

// Section 8.1.1.
func lengths() (all []smuggling) {
	for _, length := range []string{"", "+5", "-5", "5,5", "5, 5", "0x5", "5.0", "٥", "99999999999999999999", "5 5", "5;", "05x"} {
		all = append(all, smuggling{name: "a length of " + length, fields: post("/x", "content-length", length), data: []string{"abcde"}})
	}
	return append(all,
		smuggling{name: "two lengths", fields: post("/x", "content-length", "5", "content-length", "3"), data: []string{"abcde"}},
		smuggling{name: "a length without a body", fields: with("content-length", "5")},
		smuggling{name: "a length larger than the body", fields: post("/x", "content-length", "50"), data: []string{"abc"}, partly: true},
		smuggling{name: "a length smaller than the body", fields: post("/x", "content-length", "3"), data: []string{"abc" + evil}, partly: true},
		smuggling{name: "a length smaller than the second frame", fields: post("/x", "content-length", "3"), data: []string{"abc", evil}, partly: true},
		smuggling{name: "a length of nothing, and a body", fields: post("/x", "content-length", "0"), data: []string{evil}, partly: true},
		smuggling{name: "a length larger than the body, with trailers", fields: post("/x", "content-length", "50"), data: []string{"abc"}, trailers: raw.Pairs("x-trailer", "y"), partly: true},
	)
}

// Section 8.3.1.
func authorities() (all []smuggling) {
	for what, authority := range map[string]string{
		"empty": "", "a user": "user@localhost", "a user and a password": "user:password@localhost", "a path": "localhost/smuggled", "CR LF": "localhost\r\nx-smuggled: 1",
		"a space": "localhost evil.test", "a port of letters": "localhost:x", "a question": "localhost?x", "two": "localhost,evil.test", "a backslash": `localhost\evil`,
	} {
		all = append(all, smuggling{name: "an authority: " + what, fields: but(":authority", authority)})
	}
	return append(all,
		smuggling{name: "another host than the authority", fields: with("host", "evil.test")},
		smuggling{name: "two hosts", fields: without(":authority", "host", site, "host", "evil.test")},
		smuggling{name: "the same host twice", fields: without(":authority", "host", site, "host", site)},
		smuggling{name: "neither host nor authority", fields: without(":authority")},
		smuggling{name: "a host with a line", fields: without(":authority", "host", "localhost\r\nx-smuggled: 1")},
	)
}

// Section 8.1.
func trailers() (all []smuggling) {
	for _, field := range [][2]string{
		{":path", "/smuggled"},
		{":method", "GET"},
		{":status", "200"},
		{"X-Upper", "y"},
		{"connection", "close"},
		{"transfer-encoding", "chunked"},
		{"x-trailer", "y\r\n\r\n" + evil},
		{"x\r\ny", "z"},
		{"", "y"},
		{"x-trailer", " y"},
	} {
		all = append(all, smuggling{
			name: fmt.Sprintf("a trailer: %q", field[0]+": "+field[1]), fields: post("/x"), data: []string{"abc"},
			trailers: raw.Pairs(field[0], field[1]), partly: true,
		})
	}
	return append(all, smuggling{name: "trailers without an end", fields: post("/x"), data: []string{"abc"}, trailers: raw.Pairs("x-trailer", "y"), endless: true, partly: true})
}

// allowed are odd and good.
func allowed() []smuggling {
	return []smuggling{
		{name: "a body that looks like a request", fields: post("/x"), data: []string{evil}, want: "POST /x | Transfer-Encoding: chunked"},
		{name: "a body that looks like chunks", fields: post("/x"), data: []string{"0\r\n\r\n" + evil}, want: "POST /x | Transfer-Encoding: chunked"},
		{name: "a length that is right", fields: post("/x", "content-length", "5"), data: []string{"ab", "cde"}, want: "POST /x | Content-Length: 5"},
		{name: "a length that is right, with trailers", fields: post("/x", "content-length", "3"), data: []string{"abc"}, trailers: raw.Pairs("x-trailer", "y"), want: "POST /x | Content-Length: 3"},
		{name: "an empty body behind the header", fields: post("/x"), data: []string{""}, want: "POST /x"},
		{name: "crumbs", fields: get("/x", "cookie", "a=1", "x-value", "y", "cookie", "b=2", "cookie", "c=3"), want: "GET /x | Cookie: a=1; b=2; c=3"},
		{name: "the authority is the host", fields: with("host", site), want: "GET /x | Host: " + site},
		{name: "a host and no authority", fields: without(":authority", "host", site), want: "GET /x | Host: " + site},
		{name: "te: trailers", fields: with("te", "trailers"), want: "GET /x"},
		{name: "an empty value", fields: with("x-value", ""), want: "GET /x | X-Value: "},
		{name: "tabs and 8 bits in a value", fields: with("x-value", "a\tb\xff"), want: "GET /x | X-Value: a\tb\xff"},
		{name: "OPTIONS for the server", fields: raw.Fields("OPTIONS", "https", site, "*"), want: "OPTIONS *"},
		{name: "a query", fields: but(":path", "/x?http://evil.test/"), want: "GET /x?http://evil.test/"},
	}
}

// line is a request as a backend has it: its line, and those of the header lines that are wanted.
func line(r *strict.Request, want string) string {
	text := r.Method + " " + r.Target
	for _, field := range strings.Split(want, " | ")[1:] {
		name, _, _ := strings.Cut(field, ":")
		text += " | " + name + ": " + strings.Join(r.Fields.All(name), " and ")
	}
	return text
}

// send sends the request, and returns how it was refused; empty if it wasn't.
func (s smuggling) send(c *raw.Conn) (refusal string, alive bool, err error) {
	stream, err := c.Open(len(s.data)+len(s.trailers) == 0, s.fields...)
	for i, data := range s.data {
		if err == nil {
			err = c.WriteData(stream, i == len(s.data)-1 && s.trailers == nil, []byte(data))
		}
	}
	if err == nil && s.trailers != nil {
		err = c.Headers(stream, !s.endless, s.trailers...)
	}
	if err != nil {
		return "", false, err
	}
	response, err := c.Await(stream)
	switch {
	case c.GoAway != nil:
		return c.GoAway.Code.String(), false, nil
	case err != nil:
		return "", false, err
	case response.Reset != nil && *response.Reset == http2.ErrCodeNo:
		return fmt.Sprint(response.Status), true, nil // The rest of the request isn't wanted.
	case response.Reset != nil:
		return response.Reset.String(), true, nil
	case response.Status >= 400:
		return fmt.Sprint(response.Status), true, nil
	}
	return "", true, nil
}

// refusals are the ways to refuse what is malformed: stream errors, connection errors where what is
// malformed is a frame, and our own statuses.
var refusals = []string{"PROTOCOL_ERROR", "400", "405", "421", "431", "501"}

// isCut reports whether a part of a request came, and then the connection's end.
func isCut(s play.Seen) bool {
	return s.Request != nil && errors.Is(s.Err, strict.ErrCut) && strings.HasPrefix(s.Request.Target, "/x")
}

// checkSmuggling plays one through a proxy, and then a good request.
func checkSmuggling(t *testing.T, backend *play.Backend, to raw.Target, s smuggling) {
	backend.Begin(nil)
	c := dial(t, to)
	refusal, alive, err := s.send(c)
	require.NoError(t, err)
	if alive {
		isClean(t, c)
	}
	isClean(t, dial(t, to))
	seen, err := backend.Settle(10 * time.Second)
	require.NoError(t, err)
	var got []string
	for _, one := range seen {
		switch {
		case one.Request != nil && one.Request.Target == "/clean":
		case isCut(one) && s.partly:
		case one.Err != nil:
			got = append(got, fmt.Sprintf("%v: %+v", one.Err, one.Request))
		default:
			got = append(got, line(one.Request, s.want))
		}
	}
	if s.want == "" {
		assert.Contains(t, refusals, refusal)
		assert.Empty(t, got)
		return
	}
	assert.Empty(t, refusal)
	assert.Equal(t, []string{s.want}, got)
}

// isClean sends a good request, and gets the response to that.
func isClean(t *testing.T, c *raw.Conn) {
	t.Helper()
	stream, err := c.Open(true, get("/clean")...)
	require.NoError(t, err)
	response, err := c.Await(stream)
	require.NoError(t, err)
	assert.Equal(t, 200, response.Status)
	assert.Equal(t, "GET /clean 0", string(response.Body))
}

// startRecorded starts the binary in front of a backend that records what it gets.
func startRecorded(t *testing.T, more string) (*server, *play.Backend) {
	t.Helper()
	backend, err := play.StartBackend()
	require.NoError(t, err)
	t.Cleanup(backend.Close)
	return startServer(t, programs.racy, backend.Addr(), more), backend
}

// What is malformed in HTTP/2 is refused, and nothing of it is a request in HTTP/1.
func TestDowngrade(t *testing.T) {
	s, backend := startRecorded(t, "")
	for by, to := range s.targets() {
		for _, one := range smugglings() {
			t.Run(by+"/"+one.name, func(t *testing.T) { checkSmuggling(t, backend, to, one) })
		}
	}
}

// A host whose clients need a certificate can't be had by a connection that was made for another.
func TestMisdirected(t *testing.T) {
	s, backend := startRecorded(t, fmt.Sprintf("[[tls.hosts]]\nhost = \"safe.test\"\nclient_auth = \"require\"\nclient_ca = %q\n", tlstest.NewCA(t).File()))
	checkSmuggling(t, backend, s.secure, smuggling{name: "safe.test", fields: but(":authority", "safe.test")})
	c := dial(t, s.secure)
	stream, err := c.Open(true, but(":authority", "safe.test")...)
	require.NoError(t, err)
	response, err := c.Await(stream)
	require.NoError(t, err)
	assert.Equal(t, 421, response.Status)
}

// Fields that a backend may mistake for the one that clients are limited by are dropped, as in
// HTTP/1.
func TestLookalikes(t *testing.T) {
	s, backend := startRecorded(t, "[limits.web]\nkey = \"header:X-Api-Key\"\ncapacity = 100\n")
	backend.Begin(nil)
	c := dial(t, s.secure)
	stream, err := c.Open(true, get("/x", "x-api-key", "1", "x_api_key", "2", "x-api_key", "3", "x.api.key", "4")...)
	require.NoError(t, err)
	response, err := c.Await(stream)
	require.NoError(t, err)
	assert.Equal(t, 200, response.Status)
	seen, err := backend.Settle(10 * time.Second)
	require.NoError(t, err)
	require.Len(t, seen, 1)
	var got []string
	for _, field := range seen[0].Request.Fields {
		if strings.Contains(strings.ToLower(field.Name), "key") {
			got = append(got, field.Value)
		}
	}
	assert.Equal(t, []string{"1"}, got)
}
