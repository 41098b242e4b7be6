package rewrite

import (
	"fmt"
	"slices"
	"strings"

	"gopher-equalizer/proxy/http1"
)

// Origins are those whose pages may read a response across origins (Fetch, section 3.2). They are
// immutable; the zero value is none.
type Origins struct {
	any  bool
	list []string
}

// exposed are the fields of our own that pages may read besides those that they always may.
const exposed = "Retry-After, RateLimit, RateLimit-Policy, X-Request-ID"

// ParseOrigins reads origins such as "https://app.example", or "*" for all. The error names the
// first text that is none, and what was wanted.
func ParseOrigins(texts []string) (Origins, error) {
	var o Origins
	for _, text := range texts {
		if text == "*" {
			o.any = true
			continue
		}
		if !isOrigin(text) {
			return Origins{}, fmt.Errorf(`unexpected origin %q; want one as browsers send it, such as https://app.example, or "*"`, text)
		}
		o.list = append(o.list, text)
	}
	if o.any && len(texts) > 1 {
		return Origins{}, fmt.Errorf(`unexpected origins beside "*", which is all of them; want "*" alone, or none`)
	}
	return o, nil
}

// isOrigin reports whether text is an origin as browsers write it: a scheme, a host in small
// letters, and a port where it isn't the scheme's own.
func isOrigin(text string) bool {
	scheme, authority, ok := strings.Cut(text, "://")
	if !ok || authority == "" || strings.ToLower(text) != text || !isScheme(scheme) {
		return false
	}
	port := string(http1.PortOf([]byte(authority)))
	ownPort := map[string]string{"http": "80", "https": "443"}
	return checkAuthority(authority) == nil && !strings.HasSuffix(authority, ":") && (port == "" || port != ownPort[scheme])
}

func isScheme(text string) bool {
	return text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789+-.") == "" && 'a' <= text[0] && text[0] <= 'z'
}

// Expose lets the page that a request came from read a reply, if its origin is among them. Caches
// are told that the reply depends on it.
func (o *Origins) Expose(reply *Reply, fields []http1.Field) {
	switch {
	case o.any:
		reply.AddText("Access-Control-Allow-Origin", "*")
	case len(o.list) == 0:
		return
	default:
		reply.AddText("Vary", "Origin")
		origin := originOf(fields)
		if !slices.Contains(o.list, http1.Text(origin)) {
			return
		}
		reply.Add("Access-Control-Allow-Origin", origin)
		// Or a page that sends cookies with its requests couldn't read it.
		reply.AddText("Access-Control-Allow-Credentials", "true")
	}
	reply.AddText("Access-Control-Expose-Headers", exposed)
}

// originOf is the origin of a request; empty if there is none, or more than one.
func originOf(fields []http1.Field) (origin []byte) {
	count := 0
	for i := range fields {
		if f := &fields[i]; http1.Is(f.Name, "origin") {
			origin = f.Value
			count++
		}
	}
	if count != 1 {
		return nil
	}
	return origin
}
