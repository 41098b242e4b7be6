package problem

import (
	"cmp"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"
	"pgregory.net/rapid"
)

func TestAppend(t *testing.T) {
	f := func(p Problem, want string) {
		t.Helper()
		assert.Equal(t, want+"\n", string(Append(nil, p)))
	}
	f(Of(400, ""), `{"type":"about:blank","title":"Bad Request","status":400}`)
	f(Of(503, "no backend is healthy"), `{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"no backend is healthy"}`)
	f(Problem{Status: 418}, `{"type":"about:blank","status":418}`)
	f(Problem{
		Type: "https://example.com/p#q", Title: "T", Status: 429, Detail: "say \"no\" \\ \n\x00",
		Extra: []Member{{"violated-policies", []string{"a", "b"}}, {"n", 3}},
	}, `{"type":"https://example.com/p#q","title":"T","status":429,"detail":"say \"no\" \\ \u000a\u0000","violated-policies":["a","b"],"n":3}`)
	f(Problem{Status: 400, Detail: "caf\u00e9 \xff"}, `{"type":"about:blank","status":400,"detail":"`+"caf\u00e9 \ufffd"+`"}`)
	f(Problem{Status: 400, Extra: []Member{{"no", make(chan int)}, {"yes", true}}}, `{"type":"about:blank","status":400,"yes":true}`)
}

func TestAppendKeepsWhatIsThere(t *testing.T) {
	assert.Equal(t, `before{"type":"about:blank","status":1}`+"\n", string(Append([]byte("before"), Problem{Status: 1})))
}

// Whatever the strings hold, the body is UTF-8 and JSON and says what they said.
func checkJSON(t require.TestingT, typ, title, detail string) {
	body := Append(nil, Problem{Type: typ, Title: title, Status: 500, Detail: detail})
	require.True(t, utf8.Valid(body))
	var got struct {
		Type, Title, Detail string
		Status              int
	}
	require.NoError(t, json.Unmarshal(body, &got))
	// As Go reads a string: each byte that isn't UTF-8 is a U+FFFD.
	want := func(s string) string { return string([]rune(s)) }
	require.Equal(t, cmp.Or(want(typ), "about:blank"), got.Type)
	require.Equal(t, want(title), got.Title)
	require.Equal(t, want(detail), got.Detail)
	require.Equal(t, 500, got.Status)
}

func TestAppendIsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		checkJSON(t, rapid.String().Draw(t, "type"), rapid.String().Draw(t, "title"), rapid.String().Draw(t, "detail"))
	})
}

func FuzzAppend(f *testing.F) {
	f.Add("", "Bad Request", "a\"b\\c\x7f")
	f.Add("https://x", "\xff\xfe", "\u2028\u0080")
	f.Fuzz(func(t *testing.T, typ, title, detail string) { checkJSON(t, typ, title, detail) })
}

// answered is a response as a handler may have left it when something went wrong.
func answered() *fasthttp.RequestCtx {
	var ctx fasthttp.RequestCtx
	h := &ctx.Response.Header
	h.DisableNormalizing()
	h.SetStatusCode(200)
	h.SetContentType("text/html")
	h.SetContentEncoding("br")
	h.SetContentLength(12345)
	h.Set("etag", `"1"`)
	h.Set("set-cookie", "a=b")
	h.Set("Transfer-Encoding", "chunked")
	ctx.Response.SetBodyStream(strings.NewReader("a backend's answer"), -1)
	ctx.Response.SkipBody = true
	return &ctx
}

func checkAnswer(t *testing.T, ctx *fasthttp.RequestCtx, status int, body string) {
	t.Helper()
	h := &ctx.Response.Header
	assert.Equal(t, status, ctx.Response.StatusCode())
	assert.Equal(t, ContentType, string(h.ContentType()))
	for _, gone := range []string{"etag", "set-cookie", "Transfer-Encoding", "Content-Encoding"} {
		assert.Empty(t, h.Peek(gone), gone)
	}
	assert.False(t, ctx.Response.IsBodyStream())
	assert.False(t, ctx.Response.SkipBody)
	assert.Equal(t, body+"\n", string(ctx.Response.Body()))
}

func TestWrite(t *testing.T) {
	ctx := answered()
	Write(ctx, Of(502, "a backend broke"))
	checkAnswer(t, ctx, 502, `{"type":"about:blank","title":"Bad Gateway","status":502,"detail":"a backend broke"}`)
	Write(ctx, Of(504, ""))
	checkAnswer(t, ctx, 504, `{"type":"about:blank","title":"Gateway Timeout","status":504}`)
	assert.False(t, ctx.Response.Header.ConnectionClose())
}

func TestWriteKeepsConnectionClose(t *testing.T) {
	ctx := answered()
	ctx.Response.Header.SetConnectionClose()
	Write(ctx, Of(502, ""))
	assert.True(t, ctx.Response.Header.ConnectionClose())
}

func TestWriteKeepsTheSpellingOfLaterHeaders(t *testing.T) {
	var ctx fasthttp.RequestCtx
	Write(&ctx, Of(429, ""))
	ctx.Response.Header.Set("RateLimit", "x")
	assert.Contains(t, ctx.Response.Header.String(), "\r\nRateLimit: x\r\n")
}

func TestWriteDoesNotAllocate(t *testing.T) {
	var ctx fasthttp.RequestCtx
	ctx.Response.KeepBodyBuffer = true
	p := Of(503, "no backend is healthy")
	assert.Zero(t, testing.AllocsPerRun(100, func() { Write(&ctx, p) }))
}
