package message

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"gopher-equalizer/proxy/http1"
)

// packed writes a list as bytes for the fuzzer: the lengths of a name and a value, and both.
func packed(list []field) (b []byte) {
	for _, f := range list {
		b = append(b, byte(len(f.name)), byte(len(f.value)))
		b = append(append(b, f.name...), f.value...)
	}
	return b
}

// unpacked reads what the fuzzer made of that.
func unpacked(b []byte) (list []field) {
	for len(b) >= 2 {
		name, value := int(b[0]), int(b[1])
		b = b[2:]
		name = min(name, len(b))
		value = min(value, len(b)-name)
		list = append(list, field{string(b[:name]), string(b[name : name+value])})
		b = b[name+value:]
	}
	return list
}

// FuzzHead reads any list. What http1 makes of it must be one request, with exactly the fields of
// the list.
func FuzzHead(f *testing.F) {
	for _, list := range [][]field{
		get(), get("cookie", "a=b", "x", "y", "cookie", "c"), get("host", "a"), get("content-length", "5", "te", "trailers"),
		get("x", "y\r\nz: "), get("x\r\ny", "z"), get("x", " "), get("transfer-encoding", "chunked"), get("content_length", "1"),
		fieldsOf(":method", "CONNECT", ":authority", "a:443"), fieldsOf(":method", "OPTIONS", ":scheme", "http", ":path", "*", "host", "b"),
		fieldsOf(":method", "GET ", ":scheme", "http", ":path", "/ HTTP/1.1\r\n", ":authority", "a@b"),
	} {
		f.Add(packed(list), true)
		f.Add(packed(list), false)
	}
	f.Fuzz(func(t *testing.T, b []byte, endStream bool) { checkList(t, unpacked(b), endStream) })
}

// checkList checks what becomes of a list, and reports whether it is a request.
func checkList(t require.TestingT, list []field, endStream bool) bool {
	text, err := end(list, endStream)
	if err != nil {
		require.Nil(t, text)
		return false
	}
	require.Equal(t, len(text), http1.HeadEnd(text, 0), "%q", text)
	require.LessOrEqual(t, len(text), sizeOf(list))
	r := &http1.Request{}
	if r.Parse(text) != nil {
		return false
	}
	want := wanted(list)
	require.Equal(t, want.method, string(r.Method))
	require.Equal(t, want.path, string(r.Target))
	require.Equal(t, "HTTP/1.1", string(r.Version))
	require.Nil(t, r.Authority)
	require.Nil(t, r.Upgrade)
	require.True(t, r.KeepAlive)
	var got []field
	chunked := false
	for _, f := range r.Fields {
		if string(f.Name) == "transfer-encoding" {
			chunked = true
			continue
		}
		got = append(got, field{string(f.Name), string(f.Value)})
	}
	require.Equal(t, want.fields, got)
	checkBody(t, r, endStream, chunked)
	checkOther(t, text, r)
	return true
}

func sizeOf(list []field) (n int) {
	for _, f := range list {
		n += len(f.name) + len(f.value) + 32
	}
	return n
}

// checkBody checks that the request has a body only if one follows.
func checkBody(t require.TestingT, r *http1.Request, endStream, chunked bool) {
	switch {
	case endStream:
		require.False(t, r.HasBody())
	case chunked:
		require.Equal(t, http1.SizeChunked, r.Size)
	default:
		require.GreaterOrEqual(t, r.Size, int64(0))
	}
}

// checkOther has net/http read the request, too: it must see one.
func checkOther(t require.TestingT, text []byte, r *http1.Request) {
	line := string(r.Method) + " / HTTP/1.1\r\n" // net/http takes not every path, and this isn't about them.
	from := bufio.NewReader(strings.NewReader(line + string(text[bytes.IndexByte(text, '\n')+1:])))
	got, err := http.ReadRequest(from)
	require.NoError(t, err, "%q", text)
	require.Equal(t, string(r.Method), got.Method)
	rest, err := io.ReadAll(from)
	require.NoError(t, err)
	require.Empty(t, rest)
}

// meant is what a list means.
type meant struct {
	method, path string
	fields       []field
}

// wanted reads a good list, its own way.
func wanted(list []field) (m meant) {
	var cookies []string
	authority := false
	for _, f := range list {
		switch f.name {
		case ":method":
			m.method = f.value
		case ":path":
			m.path = f.value
		case ":authority":
			authority = true
			m.fields = append(m.fields, field{"host", f.value})
		case "cookie":
			if cookies = append(cookies, f.value); len(cookies) == 1 {
				m.fields = append(m.fields, field{"cookie", ""})
			}
		case ":scheme":
		case "host":
			if !authority {
				m.fields = append(m.fields, f)
			}
		default:
			m.fields = append(m.fields, f)
		}
	}
	for i := range m.fields {
		if m.fields[i].name == "cookie" {
			m.fields[i].value = strings.TrimSpace(strings.Join(cookies, "; "))
		}
	}
	return m
}

// TestHeadIsOneRequest does as FuzzHead does, with lists that are mostly good.
func TestHeadIsOneRequest(t *testing.T) {
	passed := 0
	rapid.Check(t, func(t *rapid.T) {
		if checkList(t, anyList.Draw(t, "list"), rapid.Bool().Draw(t, "endStream")) {
			passed++
		}
	})
	require.NotZero(t, passed)
}

// anyList makes lists, mostly good ones.
var anyList = rapid.Custom(func(t *rapid.T) []field {
	mostly := func(good string, odd ...string) string {
		if rapid.IntRange(0, 9).Draw(t, "odd") > 0 {
			return good
		}
		return rapid.SampledFrom(append(odd, "", " ", "\r\n", "a\r\nb: c")).Draw(t, "odd value")
	}
	list := fieldsOf(
		":method", mostly(rapid.SampledFrom([]string{"GET", "POST", "OPTIONS"}).Draw(t, "method"), "CONNECT", "get", "G T", "TRACE"),
		":scheme", mostly(rapid.SampledFrom([]string{"https", "http"}).Draw(t, "scheme"), "ftp", "HTTPS", "http://a/"),
		":path", mostly(rapid.SampledFrom([]string{"/", "/a?b=c", "//x", "/%zz"}).Draw(t, "path"), "*", "http://b/", "/ HTTP/1.1", "/#", "a"),
		":authority", mostly(rapid.SampledFrom([]string{"a", "a:80", "[::1]", "A_b.c"}).Draw(t, "authority"), "u@a", "a:", "b c", "a/"),
	)
	list = rapid.Permutation(list).Draw(t, "order")[:rapid.SampledFrom([]int{4, 4, 4, 4, 3}).Draw(t, "pseudo")]
	for range rapid.IntRange(0, 6).Draw(t, "more") {
		list = append(list, anyField.Draw(t, "field"))
	}
	return list
})

var anyField = rapid.Custom(func(t *rapid.T) field {
	if rapid.IntRange(0, 19).Draw(t, "rare") == 0 {
		name := rapid.SampledFrom([]string{
			"connection", "te", "transfer-encoding", "upgrade", "Keep-Alive", "host", "host", "expect", "x y", ":path", ":status", "x\r\n", "",
		}).Draw(t, "name")
		return field{name, rapid.SampledFrom([]string{"", "trailers", "chunked", "a", "100-continue"}).Draw(t, "value")}
	}
	name := rapid.SampledFrom([]string{
		"accept", "cookie", "cookie", "x-forwarded-for", "x_forwarded_for", "content_length", "content-length", "x-a", "te",
	}).Draw(t, "name")
	switch name {
	case "te":
		return field{name, "trailers"}
	case "content-length":
		return field{name, rapid.SampledFrom([]string{"0", "5", "00", "a", "5, 5"}).Draw(t, "length")}
	}
	return field{name, rapid.OneOf(rapid.StringMatching(`([!-~]([ -~\t]{0,18}[!-~])?)?`), rapid.StringMatching(`[\x00-\x7f]{0,3}`)).Draw(t, "value")}
})

// FuzzTrailers reads any list as trailers: they are exactly its fields.
func FuzzTrailers(f *testing.F) {
	f.Add(packed(fieldsOf("grpc-status", "0")))
	f.Add(packed(fieldsOf("x", "y\r\n\r\nGET / HTTP/1.1\r\n\r\n")))
	f.Add(packed(fieldsOf("x", "", "x", "\t")))
	f.Add(packed(get()))
	f.Fuzz(func(t *testing.T, b []byte) {
		list := unpacked(b)
		var want []string
		for _, f := range list {
			want = append(want, f.name, f.value)
		}
		got, err := readTrailers(&Trailers{}, list)
		if err == nil {
			require.Equal(t, want, got)
		}
	})
}
