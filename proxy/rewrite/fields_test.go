package rewrite

import (
	"bufio"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/http1/http1test"
)

func TestFieldRules(t *testing.T) {
	rules, err := ParseRequestFields(FieldChanges{
		Set:    map[string]string{"X-Tenant": "blue", "X-Real-IP": "hidden", "a-Empty": ""},
		Add:    map[string]string{"Via": "1.1 x", "Accept": "b"},
		Remove: []string{"Cookie", "x-forwarded-for"},
	})
	require.NoError(t, err)
	const line = "GET / HTTP/1.1\r\n"
	f := func(fields, want string) {
		t.Helper()
		assert.Equal(t, line+want+http1test.Lines("X-Real-IP: hidden", "X-Tenant: blue", "a-Empty: ", "Accept: b", "Via: 1.1 x"),
			string(rules.Apply([]byte(line+fields), len(line))))
	}
	f("", "")
	f(http1test.Lines("Host: a", "Accept: a", "X-Forwarded-For: 1.2.3.4", "Via: 1.1 y"), http1test.Lines("Host: a", "Accept: a", "Via: 1.1 y"))
	// In any case, and in all spellings that CGI takes for the same.
	f(http1test.Lines("x-tenant: red", "COOKIE: a", "X_Tenant: red", "x.real_ip: 1", "cookie:b", "Cookies: c"), http1test.Lines("Cookies: c"))
	assert.True(t, rules.Drops([]byte("x_TENANT")))
	assert.False(t, rules.Drops([]byte("Accept")))

	var none FieldRules
	assert.Equal(t, line+"A: b\r\n", string(none.Apply([]byte(line+"A: b\r\n"), len(line))))

	before, head := []byte(line+http1test.Lines("Host: a", "X-Tenant: red", "Cookie: b")), make([]byte, 0, 1024)
	assert.Zero(t, testing.AllocsPerRun(100, func() { rules.Apply(append(head, before...), len(line)) }))
}

func TestFieldRulesErrors(t *testing.T) {
	f := func(parse func(FieldChanges) (FieldRules, error), c FieldChanges, want ...string) {
		t.Helper()
		_, err := parse(c)
		assert.EqualError(t, err, strings.Join(want, "\n"))
	}
	set := func(name, value string) FieldChanges { return FieldChanges{Set: map[string]string{name: value}} }
	const hop, framing = ": this field is for one connection only; want one that goes end to end", ": this field says how the body is sent; want another one"
	for _, parse := range []func(FieldChanges) (FieldRules, error){ParseRequestFields, ParseResponseFields} {
		for _, name := range []string{"Connection", "keep-alive", "TE", "Trailer", "UPGRADE", "Proxy-Connection", "proxy_authorization", "Proxy-Authenticate", "HTTP2-Settings"} {
			f(parse, set(name, "x"), "set."+name+hop)
			f(parse, FieldChanges{Add: map[string]string{name: "x"}}, "add."+name+hop)
			f(parse, FieldChanges{Remove: []string{name}}, "remove."+name+hop)
		}
		for _, name := range []string{"Content-Length", "transfer-encoding", "Transfer_Encoding", "Expect"} {
			f(parse, set(name, "x"), "set."+name+framing)
			f(parse, FieldChanges{Remove: []string{name}}, "remove."+name+framing)
		}
		f(parse, set("X-A", "a\r\nB: c"), `set.X-A: a control character in the value; want none`)
		f(parse, set("X-A", "a\nB: c"), `set.X-A: a control character in the value; want none`)
		f(parse, set("X-A", "a\x00"), `set.X-A: a control character in the value; want none`)
		f(parse, set("X-A", " a"), `set.X-A: space around the value; want none`)
		f(parse, set("X A", "a"), "set.X A: no header name; want one such as X-Tenant")
		f(parse, set("X-A: b\r\nC", "a"), "set.X-A: b\r\nC: no header name; want one such as X-Tenant")
		f(parse, set("", "a"), "set.: no header name; want one such as X-Tenant")
		f(parse, FieldChanges{Remove: []string{"X-A"}, Set: map[string]string{"x_a": "1"}, Add: map[string]string{"X-a": "2"}},
			"set.x_a: the same field as remove.X-A; want one change of a field", "add.X-a: the same field as set.x_a; want one change of a field")
		f(parse, set("X-A", strings.Repeat("a", 9000)), "the fields take 9007 bytes; want at most 8192")
	}
	f(ParseRequestFields, set("Host", "a"), "set.Host: want set_host for the Host that backends get")
	f(ParseRequestFields, set("Max-Forwards", "1"), "set.Max-Forwards: this field is counted down on the way; want another one")
	f(ParseResponseFields, set("Date", "a"), "set.Date: this field says when the response was made; want another one")
	_, err := ParseResponseFields(FieldChanges{Set: map[string]string{"Host": "a", "Strict-Transport-Security": "max-age=1"}})
	assert.NoError(t, err)
	_, err = ParseRequestFields(set("Date", "a"))
	assert.NoError(t, err)
}

// FuzzFieldRules applies rules to heads and has net/http read the result: it is one head with the
// fields that the rules ask for, and those that rules may not touch are as they were.
func FuzzFieldRules(f *testing.F) {
	f.Add("X-A", "b", "X-B", "c", "Cookie", http1test.Browser)
	f.Add("X-A", "b\r\nX: y", "X-B", "c", "Cookie", http1test.Browser)
	f.Add("x_forwarded.for", "b", "Accept", "c", "accept", http1test.Get("X-Forwarded-For: 6.6.6.6"))
	f.Add("Content_Length", "9", "X", "", "Host", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
	f.Fuzz(func(t *testing.T, set, setTo, add, addTo, remove, head string) {
		changes := FieldChanges{Set: map[string]string{set: setTo}, Add: map[string]string{add: addTo}, Remove: []string{remove}}
		rules, err := ParseRequestFields(changes)
		if err != nil {
			require.Contains(t, err.Error(), "want")
			return
		}
		if http1test.Parse(head) == nil {
			return
		}
		before := string(headOf(t, head).AppendHead(nil))
		end := len(before) - len("\r\n")
		after := rules.Apply([]byte(before[:end]), strings.Index(before, "\r\n")+2)
		checkFieldRules(t, changes, readHead(t, before), readHead(t, string(after)+"\r\n"))
	})
}

// readHead reads a head's fields. net/http takes no % in a path that begins no escape, and this
// isn't about paths.
func readHead(t require.TestingT, head string) *http.Request {
	_, fields, _ := strings.Cut(head, "\r\n")
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("POST / HTTP/1.1\r\n" + fields)))
	require.NoError(t, err, "%q", head)
	return r
}

func checkFieldRules(t require.TestingT, c FieldChanges, before, after *http.Request) {
	require.Equal(t, before.Host, after.Host)
	require.Equal(t, before.ContentLength, after.ContentLength)
	require.Equal(t, before.TransferEncoding, after.TransferEncoding)
	want := http.Header{}
	for name, values := range before.Header {
		gone := func(changed string) bool { return foldName(changed) == foldName(name) }
		if !slices.ContainsFunc(slices.Concat(c.Remove, slices.Collect(maps.Keys(c.Set))), gone) {
			want[name] = values
		}
	}
	for name, value := range c.Set {
		want[http.CanonicalHeaderKey(name)] = append(want[http.CanonicalHeaderKey(name)], value)
	}
	for name, value := range c.Add {
		want[http.CanonicalHeaderKey(name)] = append(want[http.CanonicalHeaderKey(name)], value)
	}
	require.Equal(t, want, after.Header)
}

// TestFieldRulesOfResponses: what a backend sent and what is written here can be changed alike.
func TestFieldRulesOfResponses(t *testing.T) {
	rules, err := ParseResponseFields(FieldChanges{
		Set:    map[string]string{"Server": "equalizer", "Location": "/x", "Cache-Control": "no-store"},
		Add:    map[string]string{"Set-Cookie": "a=b; Secure"},
		Remove: []string{"X-Request-ID", "X-Powered-By", "ETag"},
	})
	require.NoError(t, err)
	r := Response{Received: http1test.Response(t, http1test.Nginx), Scheme: "http", RequestID: []byte("id")}
	head := string(r.AppendHead(nil))
	require.Contains(t, head, "X-Request-ID: id\r\n")
	line := strings.Index(head, "\r\n") + 2
	assert.Equal(t, "HTTP/1.1 200 OK\r\n"+http1test.Lines(
		"Date: Sat, 01 Aug 2026 10:00:00 GMT", "Content-Type: text/html", "Content-Length: 12", "Last-Modified: Sat, 01 Aug 2026 10:00:00 GMT",
		"Vary: Accept-Encoding", "Accept-Ranges: bytes", "Cache-Control: no-store", "Location: /x", "Server: equalizer", "Set-Cookie: a=b; Secure",
	), string(rules.Apply([]byte(head), line)))
}
