package rewrite

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gopher-equalizer/proxy/http1"
)

// FieldChanges are the changes of a message's header fields as an operator writes them.
type FieldChanges struct {
	// Set are fields that replace all of their name; Add are fields that are put beside those.
	Set, Add map[string]string
	// Remove are the names of fields that are dropped.
	Remove []string
}

// FieldError is what is wrong with one change of a field. It never shows the value, which may be a
// secret.
type FieldError struct {
	Change string // "set", "add" or "remove"
	Name   string // the field's
	Err    error
}

// Error implements error.
func (e *FieldError) Error() string { return e.Change + "." + e.Name + ": " + e.Err.Error() }

// Unwrap is what is wrong with the change.
func (e *FieldError) Unwrap() error { return e.Err }

// maxFieldBytes is how long the lines that FieldRules write may be in all.
const maxFieldBytes = 8 << 10

// FieldRules change the header fields of a message. They are immutable and don't allocate; the zero
// value, and nil, change nothing. Fields of one connection, and those that frame a body, are never
// changed.
type FieldRules struct {
	// dropped are folded names: what backends that make CGI variables of names can't tell from a
	// field that is set or removed goes too.
	dropped []string
	// lines are the fields that are set and added, each with its CRLF.
	lines []byte
}

// ParseRequestFields compiles the changes of requests. The error joins what is wrong with each, as
// a *FieldError.
func ParseRequestFields(c FieldChanges) (FieldRules, error) {
	return parseFields(c, whyFixedInRequests)
}

// ParseResponseFields compiles the changes of responses. The error joins what is wrong with each,
// as a *FieldError.
func ParseResponseFields(c FieldChanges) (FieldRules, error) {
	return parseFields(c, whyFixedInResponses)
}

func parseFields(c FieldChanges, whyFixed func(folded string) string) (FieldRules, error) {
	p := fieldParser{whyFixed: whyFixed, seen: map[string]string{}}
	for _, name := range c.Remove {
		if p.name("remove", name) {
			p.rules.dropped = append(p.rules.dropped, foldName(name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Set)) {
		if p.field("set", name, c.Set[name]) {
			p.rules.dropped = append(p.rules.dropped, foldName(name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Add)) {
		p.field("add", name, c.Add[name])
	}
	if n := len(p.rules.lines); n > maxFieldBytes {
		p.problems = append(p.problems, fmt.Errorf("the fields take %d bytes; want at most %d", n, maxFieldBytes))
	}
	if err := errors.Join(p.problems...); err != nil {
		return FieldRules{}, err
	}
	return p.rules, nil
}

// fieldParser compiles FieldChanges.
type fieldParser struct {
	whyFixed func(folded string) string
	rules    FieldRules
	// seen has the key of each change by the field's folded name.
	seen     map[string]string
	problems []error
}

// field takes a field that is written, and reports whether it can be.
func (p *fieldParser) field(key, name, value string) bool {
	if !p.name(key, name) {
		return false
	}
	switch {
	case !http1.IsFieldValue([]byte(value)):
		p.fail(key, name, "a control character in the value; want none")
	case strings.Trim(value, " \t") != value:
		p.fail(key, name, "space around the value; want none")
	default:
		p.rules.lines = AppendField(p.rules.lines, name, value)
		return true
	}
	return false
}

// name checks a field's name, and that it is changed once only.
func (p *fieldParser) name(key, name string) bool {
	folded := foldName(name)
	other, twice := p.seen[folded]
	p.seen[folded] = key + "." + name
	switch why := p.whyFixed(folded); {
	case !http1.IsToken([]byte(name)):
		p.fail(key, name, "no header name; want one such as X-Tenant")
	case why != "":
		p.fail(key, name, "%s", why)
	case twice:
		p.fail(key, name, "the same field as %s; want one change of a field", other)
	default:
		return true
	}
	return false
}

func (p *fieldParser) fail(key, name, format string, args ...any) {
	p.problems = append(p.problems, &FieldError{key, name, fmt.Errorf(format, args...)})
}

func foldName(name string) string {
	folded, _ := http1.Fold(make([]byte, 0, len(name)), []byte(name))
	return string(folded)
}

// whyFixed says why no message's field of this name can be changed; "" if it can.
func whyFixed(folded string) string {
	switch folded {
	case "connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade", "http2-settings",
		"proxy-authenticate", "proxy-authorization":
		return "this field is for one connection only; want one that goes end to end"
	case "transfer-encoding", "content-length", "expect":
		return "this field says how the body is sent; want another one"
	}
	return ""
}

func whyFixedInRequests(folded string) string {
	switch folded {
	case "host":
		return "want set_host for the Host that backends get"
	case "max-forwards":
		return "this field is counted down on the way; want another one"
	}
	return whyFixed(folded)
}

func whyFixedInResponses(folded string) string {
	if folded == "date" {
		return "this field says when the response was made; want another one"
	}
	return whyFixed(folded)
}

// Drops reports whether fields of this name don't go on. It is for trailers, too: who reads them
// may merge them into the header.
func (r *FieldRules) Drops(name []byte) bool {
	if r == nil {
		return false
	}
	for _, dropped := range r.dropped {
		if http1.FoldsTo(name, dropped) {
			return true
		}
	}
	return false
}

// Apply changes a head that is being written. fields is where its first field begins in head, which
// ends behind the last one, without an empty line. It doesn't allocate if head has room.
func (r *FieldRules) Apply(head []byte, fields int) []byte {
	if r == nil {
		return head
	}
	return append(r.strip(head, fields), r.lines...)
}

// strip takes the fields that are dropped out of a head.
func (r *FieldRules) strip(head []byte, fields int) []byte {
	if r == nil || len(r.dropped) == 0 {
		return head
	}
	kept := head[:fields]
	for line := range bytes.Lines(head[fields:]) {
		if name, _, _ := bytes.Cut(line, []byte(":")); !r.Drops(name) {
			kept = append(kept, line...)
		}
	}
	return kept
}
