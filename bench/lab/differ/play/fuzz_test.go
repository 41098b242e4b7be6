//go:build linux

package play

import (
	"bufio"
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench/lab/differ/corpus"
	"gopher-equalizer/bench/lab/differ/strict"
)

// FuzzFraming looks for bytes in which the proxy, its backend and a strict reader see different
// requests. It sends them to the proxy in two pieces, and ends. The backend must then have got the
// first of the requests that a strict reader finds in them, byte for byte. The proxy must have
// responded to just these, and logged them. The next client must not notice.
func FuzzFraming(f *testing.F) {
	cases, err := corpus.Requests()
	require.NoError(f, err)
	for _, c := range cases {
		text := c.Text
		if !c.Close {
			text += behind
		}
		f.Add([]byte(text), uint16(len(c.Text)/2))
	}
	p, log := inProcess(f)
	f.Fuzz(func(t *testing.T, stream []byte, cut uint16) { agree(t, p, log, stream, int(cut)) })
}

// agree plays a stream, and checks that all see the same requests in it.
func agree(t *testing.T, p *Proxy, log *accessLog, stream []byte, cut int) {
	if len(stream) > 200<<10 {
		return
	}
	log.clear() // a failed case may have left lines
	p.Backend.Begin(nil)
	wanted := readAll(stream)
	heard := p.stream(t, stream, min(cut, len(stream)), wanted)
	clean, err := p.clean()
	require.NoError(t, err)
	seen, err := p.Backend.Settle(p.Patience)
	require.NoError(t, err)
	whole := sameRequests(t, slices.DeleteFunc(slices.Clone(wanted), isLast), without(seen, clean))
	lines := log.take(t, clean)
	whole = withoutAbandoned(whole, lines)
	heard.Responses = withoutOwn(wanted, heard.Responses)
	sameResponses(t, whole, heard)
	sameLines(t, whole, lines)
}

// readAll reads the requests that a strict reader finds in a stream, as a backend should get them.
func readAll(stream []byte) (all []*strict.Request) {
	br := bufio.NewReader(bytes.NewReader(stream))
	for {
		for skipEmptyLine(br) {
		}
		r, err := strict.ReadRequest(br, nil)
		if err != nil {
			return all
		}
		all = append(all, r)
	}
}

// isLast reports whether the proxy may not forward a request, and responds itself (RFC 9110,
// section 7.6.2).
func isLast(r *strict.Request) bool {
	forwards := r.Fields.All("Max-Forwards")
	return (r.Method == "TRACE" || r.Method == "OPTIONS") && len(forwards) == 1 && forwards[0] != "" && strings.Trim(forwards[0], "0") == ""
}

// withoutOwn leaves out the proxy's responses to such requests.
func withoutOwn(wanted []*strict.Request, responses []*strict.Response) (rest []*strict.Response) {
	n := 0
	for _, a := range responses {
		if own := n < len(wanted) && isLast(wanted[n]); !own || a.Status != 204 && a.Status != 405 {
			rest = append(rest, a)
		}
		if !a.Interim() {
			n++
		}
	}
	return rest
}

// skipEmptyLine skips an empty line before a request (RFC 9112, section 2.2).
func skipEmptyLine(br *bufio.Reader) bool {
	if next, _ := br.Peek(2); string(next) != "\r\n" {
		return false
	}
	_, err := br.Discard(2)
	return err == nil
}

// forwarded is a request's target as a backend should get it (RFC 9112, section 3.2).
func forwarded(r *strict.Request) string {
	scheme, rest, absolute := strings.Cut(r.Target, "://")
	if !absolute || strings.HasPrefix(r.Target, "/") || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return r.Target
	}
	switch i := strings.IndexAny(rest, "/?"); {
	case i < 0 && r.Method == "OPTIONS":
		return "*"
	case i < 0:
		return "/"
	case rest[i] == '?' && r.Method != "OPTIONS":
		return "/" + rest[i:]
	default:
		return rest[i:]
	}
}

// host is the Host that a backend should get: the authority of an absolute target, otherwise the
// request's own, without the colon of an empty port. It is "" if the request names none.
func host(r *strict.Request) string {
	authority := strings.Join(r.Fields.All("Host"), ", ")
	if scheme, rest, absolute := strings.Cut(r.Target, "://"); absolute && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https")) {
		authority = rest
		if i := strings.IndexAny(rest, "/?"); i >= 0 {
			authority = rest[:i]
		}
	}
	return strings.TrimSuffix(authority, ":")
}

// stream sends a stream in two pieces and its end, and reads all responses.
func (p *Proxy) stream(t *testing.T, stream []byte, cut int, wanted []*strict.Request) Heard {
	link, err := p.dial()
	require.NoError(t, err)
	defer link.close()
	go func() {
		link.send(string(stream[:cut]), false)
		link.send(string(stream[cut:]), true)
	}()
	var all Heard
	for i := 0; ; i++ {
		method := "GET"
		if i < len(wanted) {
			method = wanted[i].Method
		}
		h := link.response(method)
		require.NotEqual(t, Waits, h.End, "the proxy does not respond or close")
		all.Responses, all.Err = append(all.Responses, h.Responses...), h.Err
		if h.End == Ended {
			return all
		}
	}
}

// sameRequests checks that the backend got the first of the wanted requests, and returns the whole
// ones.
func sameRequests(t *testing.T, wanted []*strict.Request, seen []Seen) (whole []*strict.Request) {
	for i, s := range seen {
		if s.Err == strict.ErrCut || s.Err == io.EOF {
			require.Equal(t, len(seen)-1, i, "a part of a request, and then more")
			break
		}
		require.NoError(t, s.Err)
		require.Less(t, i, len(wanted), "one more request than there are: %s %s", s.Request.Method, s.Request.Target)
		require.Equal(t, wanted[i].Method, s.Request.Method)
		require.Equal(t, forwarded(wanted[i]), s.Request.Target)
		require.Equal(t, string(wanted[i].Data), string(s.Request.Data))
		require.Equal(t, "HTTP/1.1", s.Request.Version)
		if name := host(wanted[i]); name != "" {
			require.Equal(t, []string{name}, s.Request.Fields.All("Host"))
			require.Equal(t, []string{name}, s.Request.Fields.All("X-Forwarded-Host"))
		}
		whole = append(whole, s.Request)
	}
	return whole
}

// sameResponses checks that the client got the response to each of its requests, and at most one
// refusal after them.
func sameResponses(t *testing.T, whole []*strict.Request, heard Heard) {
	if heard.Err != nil {
		// A refused request may begin like a HEAD. Then its response ends like one to HEAD.
		require.NotEmpty(t, heard.Responses)
		last := heard.Responses[len(heard.Responses)-1]
		require.Equal(t, strict.ErrCut, heard.Err)
		require.GreaterOrEqual(t, last.Status, 400)
		require.Empty(t, last.Data)
	}
	n := 0
	for _, a := range heard.Responses {
		switch {
		case a.Interim():
			continue
		case n < len(whole) && whole[n].Method != "HEAD":
			r := whole[n]
			require.Equal(t, echoed(r.Method, r.Target, len(r.Data)), string(a.Data))
		case n < len(whole):
			require.Equal(t, 200, a.Status)
		default:
			require.Equal(t, len(whole), n, "a second response to what was refused: %d", a.Status)
			require.GreaterOrEqual(t, a.Status, 400)
		}
		n++
	}
	require.GreaterOrEqual(t, n, len(whole), "a request without a response")
}

// statusGone is the status in the log of a request whose client went away.
const statusGone = 499

// withoutAbandoned leaves out the last request if the proxy gave it up. To the proxy a client that
// has ended its side is gone after some time, which may pass on a stalling machine.
func withoutAbandoned(whole []*strict.Request, lines []logged) []*strict.Request {
	n := len(lines)
	if n == 0 || lines[n-1].Status != statusGone || len(forwardedLines(lines)) != len(whole)-1 {
		return whole
	}
	return whole[:len(whole)-1]
}

// forwardedLines are the lines of requests that got the backend's response.
func forwardedLines(lines []logged) []logged {
	return slices.DeleteFunc(slices.Clone(lines), func(l logged) bool { return l.Status != 200 })
}

// sameLines checks that the forwarded requests, and no others, were logged as forwarded.
func sameLines(t *testing.T, whole []*strict.Request, lines []logged) {
	ok := forwardedLines(lines)
	require.Len(t, ok, len(whole))
	for i, line := range ok {
		require.Equal(t, whole[i].Method, line.Request.Method)
	}
}

// FuzzResponse makes a backend send any bytes as its response. What the client gets is always
// strict: a 502, or what an independent reader of responses finds, or a part of that and then a
// broken connection. No later request gets any of it.
func FuzzResponse(f *testing.F) {
	cases, err := corpus.Responses()
	require.NoError(f, err)
	for _, c := range cases {
		f.Add([]byte(c.Text), strings.HasPrefix(c.Ask, "HEAD"), c.Close)
	}
	p, log := inProcess(f)
	f.Fuzz(func(t *testing.T, response []byte, head, end bool) {
		method := "GET"
		if head {
			method = "HEAD"
		}
		wanted, interim, err := readResponse(response, method)
		p.Backend.Begin(&corpus.Case{Text: string(response), Close: end || err != nil || wanted.UntilClose})
		heard, herr := p.Ask(method+" /case HTTP/1.1", p.Backend.Release)
		require.NoError(t, herr)
		clean, herr := p.clean()
		require.NoError(t, herr)
		log.take(t, clean)
		sameResponse(t, wanted, interim, err, heard)
	})
}

// readResponse reads the final response that an independent reader finds, and counts the interim
// ones before it.
func readResponse(text []byte, method string) (a *strict.Response, interim int, err error) {
	br := bufio.NewReader(bytes.NewReader(text))
	for {
		a, err = strict.ReadReceived(br, method)
		if err != nil || !a.Interim() {
			return a, interim, err
		}
		interim++
	}
}

func sameResponse(t *testing.T, wanted *strict.Response, interim int, why error, heard Heard) {
	require.NotEqual(t, Waits, heard.End)
	require.NotEqual(t, poisoned, heard.End)
	require.NotErrorAs(t, heard.Err, &strict.Malformed{})
	n := len(heard.Responses)
	require.LessOrEqual(t, n, interim+1)
	if n == 0 || heard.Responses[n-1].Interim() {
		require.Equal(t, Ended, heard.End)
		return
	}
	got := heard.Responses[n-1]
	switch {
	case got.Status == 502 && len(got.Fields.All("Content-Type")) == 1 && got.Fields.All("Content-Type")[0] == "application/problem+json":
		return
	case heard.Err != nil:
		require.NotNil(t, wanted)
		require.True(t, bytes.HasPrefix(wanted.Data, got.Data), "%q isn't the beginning of %q", got.Data, wanted.Data)
		return
	}
	require.NoError(t, why, "a response of %q", got.Data)
	require.Equal(t, wanted.Status, got.Status)
	require.Equal(t, string(wanted.Data), string(got.Data))
}
