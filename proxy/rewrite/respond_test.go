package rewrite

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRespond(t *testing.T) {
	f := func(status int, body, contentType, fields string) {
		t.Helper()
		r, err := ParseRespond(status, body, contentType)
		if assert.NoError(t, err) {
			var reply Reply
			r.Begin(&reply)
			_, head, _ := strings.Cut(withoutDate(reply.AppendHead(nil)), "\r\n")
			assert.Equal(t, fields, head)
			assert.Equal(t, body, string(reply.Body))
			assert.Equal(t, status, reply.Status)
		}
	}
	f(200, "ok\n", "", "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\n")
	f(503, "<p>", "text/html; charset=utf-8", "Content-Type: text/html; charset=utf-8\r\nContent-Length: 3\r\n")
	f(403, "", "", "Content-Length: 0\r\n")
	f(204, "", "", "")
	f(205, "", "", "Content-Length: 0\r\n")
	f(304, "", "", "")
}

func TestRespondErrors(t *testing.T) {
	f := func(status int, body, contentType, want string) {
		t.Helper()
		_, err := ParseRespond(status, body, contentType)
		assert.EqualError(t, err, want)
	}
	f(101, "", "", "unexpected status 101 of a response; want 200 to 599")
	f(0, "", "", "unexpected status 0 of a response; want 200 to 599")
	f(600, "", "", "unexpected status 600 of a response; want 200 to 599")
	f(204, "a", "", "a response with status 204 has no body; want none, or another status")
	f(304, "a", "", "a response with status 304 has no body; want none, or another status")
	f(200, "", "text/html", `unexpected content type "text/html" of no body; want a body, or no content type`)
	f(200, "a", "html", `unexpected content type "html"; want one such as text/html; charset=utf-8`)
	f(200, "a", "text/html\r\nX: y", `unexpected content type "text/html\r\nX: y"; want one such as text/html; charset=utf-8`)
	f(200, "a", "text/html; a=\"\r\nX: y\"", `unexpected content type "text/html; a=\"\r\nX: y\""; want one such as text/html; charset=utf-8`)
	f(200, "a", " text/html", `unexpected content type " text/html"; want one such as text/html; charset=utf-8`)
}

func FuzzRespond(f *testing.F) {
	f.Add(200, "a", "text/html; charset=utf-8")
	f.Add(200, "a", "text/html;\r\n x=y")
	f.Fuzz(func(t *testing.T, status int, body, contentType string) {
		r, err := ParseRespond(status, body, contentType)
		if err != nil {
			assert.Contains(t, err.Error(), "want")
			return
		}
		var reply Reply
		r.Begin(&reply)
		head := string(reply.AppendHead(nil)) + "\r\n" + body
		from := bufio.NewReader(strings.NewReader(head))
		response, err := http.ReadResponse(from, nil)
		require.NoError(t, err, "%q", head)
		for name := range response.Header {
			require.Contains(t, []string{"Content-Type", "Content-Length", "Date"}, name)
		}
		if status != 204 && status != 304 {
			got, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			require.Equal(t, body, string(got))
			require.Zero(t, from.Buffered())
		}
	})
}
