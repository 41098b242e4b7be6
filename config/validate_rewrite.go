package config

import (
	"errors"
	"slices"

	"gopher-equalizer/proxy/rewrite"
	"gopher-equalizer/proxy/route"
)

// rewriting checks what a route changes in messages. Nothing here may begin another line of one.
func (r *report) rewriting(key string, one Route, matched route.Prefix) {
	r.hostHeader(Join(key, "set_host"), one.SetHost)
	if one.AddPrefix != "" {
		r.prefix(Join(key, "add_prefix"), one.AddPrefix)
	}
	if one.StripPrefix != "" {
		r.stripPrefix(key, one.StripPrefix, matched)
	}
	r.fields(Join(key, "request_headers"), one.RequestHeaders, rewrite.ParseRequestFields)
	r.fields(Join(key, "response_headers"), one.ResponseHeaders, rewrite.ParseResponseFields)
}

// stripPrefix refuses a prefix that no path of the route has.
func (r *report) stripPrefix(route, text string, matched route.Prefix) {
	key := Join(route, "strip_prefix")
	strip := r.prefix(key, text)
	_, always := strip.Cut([]byte(matched.String()))
	_, sometimes := matched.Cut([]byte(strip.String()))
	if !always && !sometimes {
		r.add(key, "%s: no path of this route begins with it, as its path_prefix is %s; want that, or a beginning of it",
			show(text), r.Shown(Join(route, "path_prefix"), matched.String()))
	}
}

// fields checks changes of header fields, each at its own line.
func (r *report) fields(key string, c HeaderChanges, parse func(rewrite.FieldChanges) (rewrite.FieldRules, error)) {
	_, err := parse(c.Fields())
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		r.parses(key, err)
		return
	}
	for _, err := range joined.Unwrap() {
		var field *rewrite.FieldError
		if !errors.As(err, &field) {
			r.parses(key, err)
			continue
		}
		at := Join(key, field.Change, field.Name)
		if field.Change == "remove" {
			at = Element(Join(key, field.Change), slices.Index(c.Remove, field.Name))
		}
		r.parses(at, field.Err)
	}
}

func (c HeaderChanges) isEmpty() bool { return len(c.Set)+len(c.Add)+len(c.Remove) == 0 }
