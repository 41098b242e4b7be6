package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
)

// decodeCreate reads {client_id, limit?, capacity, tokens?, refill?}, or a tier instead of a
// capacity.
func decodeCreate(body []byte) (limit, clientID string, c limiter.Change, err error) {
	members := changeMembers(&c)
	members["client_id"] = func(raw []byte) error {
		text, err := textOf("client_id", raw)
		clientID = text
		return err
	}
	members["limit"] = func(raw []byte) error {
		text, err := textOf("limit", raw)
		limit = text
		return err
	}
	if err := decodeObject(body, members); err != nil {
		return "", "", limiter.Change{}, err
	}
	if c.Capacity == nil && c.Tier == nil {
		return "", "", limiter.Change{}, badRequest("capacity is missing; want a whole number of at least 1")
	}
	return limit, clientID, c, checkClientID(clientID)
}

// decodeChange reads {capacity?, tokens?, refill?, tier?}.
func decodeChange(body []byte) (limiter.Change, error) {
	var c limiter.Change
	if err := decodeObject(body, changeMembers(&c)); err != nil {
		return limiter.Change{}, err
	}
	return c, nil
}

// memberDecoders are the members that an object may have, each with the function that reads it.
type memberDecoders map[string]func(raw []byte) error

func changeMembers(c *limiter.Change) memberDecoders {
	return memberDecoders{
		"capacity": func(raw []byte) (err error) {
			c.Capacity, err = wholeOf("capacity", raw, 1)
			return err
		},
		"tokens": func(raw []byte) (err error) {
			c.Tokens, err = wholeOf("tokens", raw, 0)
			return err
		},
		"tier": func(raw []byte) error {
			text, err := textOf("tier", raw)
			c.Tier = &text
			return err
		},
		"refill": func(raw []byte) error {
			text, err := textOf("refill", raw)
			if err != nil {
				return err
			}
			refill, err := gcra.ParseRefill(text)
			if err != nil {
				return badRequest("%v", err)
			}
			c.Refill = &refill
			return nil
		},
	}
}

// wholeOf reads a whole number that is written in digits. encoding/json would read a number as a
// float, which loses digits.
func wholeOf(member string, raw []byte, least int64) (*int64, error) {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n < least {
		return nil, badRequest("%s is %s; want a whole number of at least %d, in digits%s", member, excerpt(string(raw)), least, beyond(err))
	}
	return &n, nil
}

func beyond(err error) string {
	if errors.Is(err, strconv.ErrRange) {
		return ", that fits 63 bits"
	}
	return ""
}

func textOf(member string, raw []byte) (string, error) {
	if raw[0] != '"' {
		return "", badRequest("%s is %s; want a string", member, excerpt(string(raw)))
	}
	var text string
	err := json.Unmarshal(raw, &text)
	return text, err
}

// textsOf reads an array of strings.
func textsOf(member string, raw []byte) ([]string, error) {
	var texts []*string
	if err := json.Unmarshal(raw, &texts); err != nil || texts == nil || slices.Contains(texts, nil) {
		return nil, badRequest("%s is %s; want an array of strings", member, excerpt(string(raw)))
	}
	all := make([]string, len(texts))
	for i, text := range texts {
		all[i] = *text
	}
	return all, nil
}

// decodeObject reads one JSON object strictly. encoding/json alone would ignore unknown members,
// match names in any case, let the last of two equal members win, take null for an absent value,
// and replace what isn't Unicode.
func decodeObject(body []byte, members memberDecoders) error {
	if err := checkJSON(body); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return badRequest("the body is %s; want a JSON object", excerpt(string(body)))
	}
	seen := make(map[string]bool, len(members))
	for dec.More() {
		if err := decodeMember(dec, members, seen); err != nil {
			return err
		}
	}
	return nil
}

func decodeMember(dec *json.Decoder, members memberDecoders, seen map[string]bool) error {
	key, err := dec.Token()
	if err != nil {
		return badRequest("the body: %v", err)
	}
	name, _ := key.(string)
	decode, known := members[name]
	if !known {
		return badRequest("unknown member %s; want %s", excerpt(strconv.Quote(name)), wanted(members))
	}
	if seen[name] {
		return badRequest("%s is there twice; want it once", name)
	}
	seen[name] = true
	var raw json.RawMessage
	if err := dec.Decode(&raw); err != nil {
		return badRequest("%s: %v", name, err)
	}
	return decode(raw)
}

// wanted lists the members, such as "capacity, refill or tokens".
func wanted(members memberDecoders) string {
	names := slices.Sorted(maps.Keys(members))
	switch len(names) {
	case 0:
		return "none"
	case 1:
		return names[0]
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// checkJSON returns what is wrong with a body that isn't one JSON value in Unicode.
func checkJSON(body []byte) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return badRequest("the body is empty; want a JSON object")
	}
	if !utf8.Valid(body) {
		return badRequest("the body is not valid UTF-8")
	}
	var value json.RawMessage
	if err := json.Unmarshal(body, &value); err != nil {
		return badRequest("the body is not JSON: %v%s", err, position(err))
	}
	if escape := loneSurrogate(body); escape != "" {
		return badRequest("the body has %s, which is half a surrogate pair and no character", escape)
	}
	return nil
}

func position(err error) string {
	if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
		return fmt.Sprintf(" (at byte %d)", syntax.Offset)
	}
	return ""
}

// loneSurrogate finds an escape such as \ud800 without its other half; "" if there is none. In
// valid JSON backslashes occur only in strings.
func loneSurrogate(body []byte) string {
	for rest := body; ; {
		at := bytes.IndexByte(rest, '\\')
		if at < 0 {
			return ""
		}
		rest = rest[at:]
		switch {
		case !isSurrogate(rest, 0xd800, 0xdfff):
			rest = rest[2:]
		case isSurrogate(rest, 0xd800, 0xdbff) && isSurrogate(rest[6:], 0xdc00, 0xdfff):
			rest = rest[12:]
		default:
			return string(rest[:6])
		}
	}
}

// isSurrogate reports whether text starts with \uXXXX from first to last.
func isSurrogate(text []byte, first, last uint64) bool {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return false
	}
	unit, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	return err == nil && unit >= first && unit <= last
}

// maxExcerpt is how many characters of a bad value a response repeats.
const maxExcerpt = 60

// excerpt is the text as an error repeats it: on one line, and cut to maxExcerpt.
func excerpt(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "�")), " ")
	if runes := []rune(text); len(runes) > maxExcerpt {
		return string(runes[:maxExcerpt]) + "..."
	}
	return text
}

// jsonBody is the body of a write, which must be declared as JSON. Pages of other origins can send
// forms and text without a preflight, but no JSON.
func jsonBody(request *fasthttp.Request) ([]byte, error) {
	if n := countFields(request.Header.RawHeaders(), fasthttp.HeaderContentType); n > 1 {
		return nil, refuse(errMediaType, "there are %d Content-Type headers; want one, application/json", n)
	}
	given := string(request.Header.ContentType())
	mediaType, params, err := mime.ParseMediaType(given)
	if err != nil || mediaType != "application/json" {
		return nil, refuse(errMediaType, "Content-Type is %q; want application/json", given)
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return nil, refuse(errMediaType, "the charset is %q; want utf-8, or none", charset)
	}
	if encoding := string(request.Header.ContentEncoding()); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return nil, refuse(errMediaType, "Content-Encoding is %q; want none", encoding)
	}
	return request.Body(), nil
}

// countFields counts the fields of that name in a header as received. fasthttp keeps only one
// Content-Type.
func countFields(raw []byte, name string) (n int) {
	for line := range bytes.Lines(raw) {
		if field, _, ok := bytes.Cut(line, []byte(":")); ok && strings.EqualFold(string(field), name) {
			n++
		}
	}
	return n
}
