//go:build linux

package play

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"gopher-equalizer/bench/lab/differ/corpus"
	"gopher-equalizer/bench/lab/differ/strict"
)

// Outcome is the result of a case, in the words of a case's Want.
type Outcome struct {
	Text string
	// Partial reports whether a backend got a part of a request.
	Partial bool
}

// ofRequest sums up the outcome of a request.
func ofRequest(k corpus.Case, heard Heard, seen []Seen) (o Outcome) {
	var requests []string
	for _, s := range seen {
		switch {
		case s.Err == nil:
			requests = append(requests, describe(s.Request, k.Watch))
		case errors.As(s.Err, &strict.Malformed{}):
			requests = append(requests, "malformed")
		default:
			o.Partial = true
		}
	}
	o.Text = sum(heard, requests)
	return o
}

// sum has short words for common outcomes.
func sum(heard Heard, requests []string) string {
	statuses := heard.statuses(func(a *strict.Response) bool { return !a.Interim() })
	all := strings.Join(requests, "; ")
	forwarded := 0
	for forwarded < len(statuses) && statuses[forwarded] == "200" {
		forwarded++
	}
	n, last := len(requests), len(statuses)-1
	switch {
	case heard.Err == nil && heard.End == Open && forwarded == n && len(statuses) == n && n > 1 && requests[n-1] == "GET /behind":
		return strings.Join(requests[:n-1], "; ")
	case heard.Err != nil || heard.End != Ended || len(statuses) < n:
	case n == 0 && len(statuses) == 0:
		return "closed"
	case n == 0 && len(statuses) == 1:
		return statuses[0]
	case forwarded == n && len(statuses) == n:
		return "close: " + all
	case forwarded == n && last == n:
		return all + " then " + statuses[last]
	}
	if n == 0 {
		all = "nothing"
	}
	return strings.TrimSpace(strings.Join(statuses, " ")+" "+heard.end()) + " | " + all
}

// end describes how the connection ended.
func (h Heard) end() string {
	switch {
	case h.Err == strict.ErrCut:
		return "cut"
	case h.Err != nil:
		return "malformed"
	}
	return string(h.End)
}

// statuses are those of some responses. Several interim ones of a kind count once.
func (h Heard) statuses(which func(*strict.Response) bool) (statuses []string) {
	for _, a := range h.Responses {
		status := strconv.Itoa(a.Status)
		if !which(a) || a.Interim() && len(statuses) > 0 && statuses[len(statuses)-1] == status {
			continue
		}
		statuses = append(statuses, status)
	}
	return statuses
}

// describe is a request in a few words.
func describe(r *strict.Request, watch []string) string {
	if r.Target == "/behind" {
		watch = nil // the case isn't about its fields
	}
	text := shorten(r.Method) + " " + shorten(r.Target)
	if len(r.Data) > 0 {
		text += " " + quote(r.Data)
	}
	text += watched(r.Fields, watch)
	for _, t := range r.Trailers {
		text += " +" + strings.ToLower(t.Name) + ": " + t.Value
	}
	return text
}

// shorten leaves out most of what is very long.
func shorten(text string) string {
	if len(text) <= 100 {
		return text
	}
	return fmt.Sprintf("%.10s...(%d)", text, len(text))
}

// quote is a short body, or the length of a long one.
func quote(data []byte) string {
	if len(data) > 60 {
		return fmt.Sprintf("%dB", len(data))
	}
	return strconv.QuoteToASCII(string(data))
}

// watched are the fields with these names that are there.
func watched(fields strict.Fields, names []string) string {
	var there []string
	for _, name := range names {
		for _, value := range fields.All(name) {
			there = append(there, name+": "+plain(value))
		}
	}
	if len(there) == 0 {
		return ""
	}
	return " [" + strings.Join(there, "; ") + "]"
}

// plain escapes what isn't printable ASCII, as in cases.
func plain(value string) string {
	var b strings.Builder
	for i := range len(value) {
		switch c := value[i]; {
		case c == '\t':
			b.WriteString(`\t`)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// ofResponse sums up what a client got for a backend's response.
func ofResponse(k corpus.Case, heard Heard) (o Outcome) {
	words := heard.statuses(func(*strict.Response) bool { return true })
	if n := len(heard.Responses); n > 0 && heard.Err == nil {
		if a := heard.Responses[n-1]; a.Status < 502 || a.Status > 504 {
			if len(a.Data) > 0 {
				words = append(words, quote(a.Data))
			}
			for _, t := range a.Trailers {
				words = append(words, "+"+strings.ToLower(t.Name)+": "+t.Value)
			}
			words = append(words, strings.TrimSpace(watched(a.Fields, k.Watch)))
		}
	}
	// It doesn't matter whether a proxy closes after a whole response when its backend does.
	if heard.Err != nil || heard.End != Open && !(k.Close && heard.End == Ended && len(words) > 0) {
		words = append(words, heard.end())
	}
	o.Text = strings.Join(strings.Fields(strings.Join(words, " ")), " ")
	return o
}

// String sums it up for people.
func (h Heard) String() string { return ofResponse(corpus.Case{}, h).Text }

// Words are the outcome's text, or "broken" if that is wanted and fits.
func (o Outcome) Words(want string) string {
	if want == "broken" && o.Meets(want) {
		return want
	}
	return o.Text
}

// Meets reports whether an outcome is what a case wants. "gone" is any end at which nothing whole
// was forwarded. "cut" behind a status allows that a part of the request was. "broken" is a 502, or
// a response that is cut off.
func (o Outcome) Meets(want string) bool {
	status, cut := strings.CutSuffix(want, " cut")
	switch {
	case want == "gone":
		return o.Text == "400" || o.Text == "closed"
	case want == "broken":
		return o.Text == "502" || o.Text == "502 close" || strings.HasSuffix(o.Text, " cut") || o.Text == "cut"
	case cut:
		return o.Text == status
	}
	return o.Text == want && !o.Partial
}
