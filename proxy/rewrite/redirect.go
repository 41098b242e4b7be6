package rewrite

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/route"
)

// Redirect answers a request with another URL. It is immutable.
type Redirect struct {
	status int
	parts  []part
}

// part is a piece of a URL: text, or what a variable stands for.
type part struct {
	kind partKind
	text string
	// inside reports that the part stands behind a ? or a #. A variable is then encoded as a value.
	inside bool
}

type partKind byte

const (
	partText partKind = iota
	partHost
	partPath
	partQuery
)

// ParseRedirect reads the URL that a route redirects to, and the status: 301, 302, 303, 307 or 308.
// The URL is absolute, or begins with a slash. In it stand
//
//	$host   the host of the request, which is one of the route's; for a route of any host it is
//	        refused
//	$path   the normal form of the path, which begins with exactly one slash
//	$query  the query with its question mark, or nothing
//	$$      a dollar sign
//
// An absolute URL's host is text or $host, either perhaps with a port. Behind a ? or a # of the URL
// the variables are percent-encoded, so that each is a part of one value. Thus only the operator
// chooses which hosts a redirect leads to. The error names the URL and what was wanted.
func ParseRedirect(url string, status int, host route.Host) (Redirect, error) {
	r := Redirect{status: status}
	if !slices.Contains([]int{301, 302, 303, 307, 308}, status) {
		return Redirect{}, fmt.Errorf("unexpected status %d of a redirect; want 301, 302, 303, 307 or 308", status)
	}
	var err error
	if r.parts, err = parseParts(url); err == nil {
		err = checkParts(r.parts, host)
	}
	if err != nil {
		return Redirect{}, fmt.Errorf("unexpected redirect %q: %w", url, err)
	}
	return r, nil
}

// parseParts splits a URL at its variables.
func parseParts(url string) (parts []part, err error) {
	inside := false
	for rest := url; rest != ""; {
		text, variable, ok := strings.Cut(rest, "$")
		if err := checkText(text); err != nil {
			return nil, err
		}
		parts = appendText(parts, text, inside)
		inside = inside || strings.ContainsAny(text, "?#")
		if !ok {
			break
		}
		var p part
		if p, rest, err = parseVariable(variable); err != nil {
			return nil, err
		}
		if p.inside = inside; p.kind == partText {
			parts = appendText(parts, p.text, inside)
			continue
		}
		parts = append(parts, p)
		inside = inside || p.kind == partQuery
	}
	return parts, nil
}

// appendText appends text, to the last part if that is text too.
func appendText(parts []part, text string, inside bool) []part {
	if n := len(parts); n > 0 && parts[n-1].kind == partText {
		parts[n-1].text += text
		return parts
	}
	if text == "" {
		return parts
	}
	return append(parts, part{text: text, inside: inside})
}

// parseVariable reads what follows a dollar sign.
func parseVariable(text string) (p part, rest string, err error) {
	if rest, ok := strings.CutPrefix(text, "$"); ok {
		return part{text: "$"}, rest, nil
	}
	end := strings.IndexFunc(text, func(c rune) bool { return (c < 'a' || c > 'z') && c != '_' })
	if end < 0 {
		end = len(text)
	}
	kinds := map[string]partKind{"host": partHost, "path": partPath, "query": partQuery}
	kind, ok := kinds[text[:end]]
	if !ok {
		return p, "", fmt.Errorf("unknown variable $%s; want $host, $path or $query, or $$ for a dollar sign", text[:end])
	}
	return part{kind: kind}, text[end:], nil
}

// checkText checks that text has only bytes that stand in URLs, and whole escapes.
func checkText(text string) error {
	for i := range len(text) {
		c := text[i]
		if !isURLByte(c) {
			return fmt.Errorf("%q must be percent-encoded; want it as %%%02X", text[i:i+1], c)
		}
		if _, escaped := route.EscapeAt([]byte(text[i:])); c == '%' && !escaped {
			return errors.New("% begins no escape; want %XX, or %25 for a percent sign")
		}
	}
	return nil
}

// checkParts checks that only the operator chooses where a redirect leads.
func checkParts(parts []part, host route.Host) error {
	if slices.ContainsFunc(parts, func(p part) bool { return p.kind == partHost }) && host.IsAny() {
		return errors.New("$host of a route of any host is whatever a client says; want a host in the URL, or a host for the route")
	}
	rest, err := cutAuthority(parts)
	if err != nil {
		return err
	}
	return checkSlashes(rest)
}

// checkSlashes checks that no slash meets those of $path: two at the beginning of a URL begin a
// host. $path may be a slash alone.
func checkSlashes(parts []part) error {
	before := "" // What comes before the part.
	for _, p := range parts {
		switch {
		case p.kind == partText && strings.HasPrefix(p.text, "/") && before == "$path":
			return errors.New("$path may end in a slash; want none behind it")
		case p.kind == partPath && !p.inside && before == "$path":
			return errors.New("want $path once before the query")
		case p.kind == partPath && !p.inside && strings.HasSuffix(before, "/"):
			return errors.New("$path begins with a slash; want none before it")
		}
		if before = p.text; p.kind == partPath {
			before = "$path"
		}
	}
	return nil
}

var errStart = errors.New("want a URL that begins with https://, http://, a slash or $path")

// cutAuthority checks how a URL begins, and cuts off its scheme and host.
func cutAuthority(parts []part) (rest []part, err error) {
	switch {
	case len(parts) == 0:
		return nil, errStart
	case parts[0].kind == partPath:
		return parts, nil
	case parts[0].kind != partText:
		return nil, errStart
	}
	text := parts[0].text
	after, absolute := http1.CutScheme([]byte(text))
	switch {
	case absolute:
		return cutHost(string(after), parts[1:])
	case strings.HasPrefix(text, "//"):
		return nil, errors.New("two slashes begin a host without a scheme; want https:// before them, or one slash")
	case text[0] != '/':
		return nil, errStart
	}
	return parts, nil
}

// cutHost cuts off the host that an absolute URL names, after its scheme. text is what follows the
// scheme up to the first variable.
func cutHost(text string, parts []part) (rest []part, err error) {
	if text == "" {
		if len(parts) == 0 || parts[0].kind != partHost {
			return nil, errors.New("want a host, or $host, behind the scheme")
		}
		if parts = parts[1:]; len(parts) == 0 || parts[0].kind != partText {
			return parts, nil
		}
		port, path := cutAt(parts[0].text)
		if !http1.IsPort([]byte(port)) {
			return nil, fmt.Errorf("%q behind $host; want nothing, a port or a path", port)
		}
		return append([]part{{text: path}}, parts[1:]...), nil
	}
	authority, path := cutAt(text)
	if err := checkAuthority(authority); err != nil {
		return nil, err
	}
	if path == "" && len(parts) > 0 && parts[0].kind == partHost {
		return nil, errors.New("$host behind a part of a host; want $host alone, or text alone")
	}
	return append([]part{{text: path}}, parts...), nil
}

// cutAt splits text before the first byte that ends an authority.
func cutAt(text string) (authority, rest string) {
	if i := strings.IndexAny(text, "/?#"); i >= 0 {
		return text[:i], text[i:]
	}
	return text, ""
}

// checkAuthority checks a host with or without a port.
func checkAuthority(authority string) error {
	name := authority
	if port := http1.PortOf([]byte(authority)); port != nil {
		name = strings.TrimSuffix(authority, ":"+string(port))
	}
	h, err := route.ParseHost(name)
	if _, exact := h.Exact(); err != nil || !exact {
		return fmt.Errorf("%q is no host with or without a port; want one such as www.example.com, or $host", authority)
	}
	return nil
}

// Begin makes a reply the redirect of a request, as AppendLocation has it.
func (r *Redirect) Begin(reply *Reply, host []byte, path *route.Path) {
	reply.Begin(r.status, "", nil)
	reply.values = r.AppendLocation(reply.values, host, path)
	reply.fields = append(reply.fields, replyField{headerLocation, len(reply.values)})
	reply.AddNumber(headerContentLength, 0)
}

// AppendLocation writes the URL for a request. host is http1.Request.Host. Whatever the request
// holds, the URL is one line, in ASCII.
func (r *Redirect) AppendLocation(dst, host []byte, path *route.Path) []byte {
	for i := range r.parts {
		p := &r.parts[i]
		keep := isURLByte
		if p.inside {
			keep = route.IsUnreserved
		}
		switch p.kind {
		case partText:
			dst = append(dst, p.text...)
		case partHost:
			var buffer [256]byte
			dst = appendEscaped(dst, route.AppendHost(buffer[:0], host), keep)
		case partPath:
			dst = appendEscaped(dst, path.Normal(), keep)
		case partQuery:
			dst = appendEscaped(dst, path.Query(), keep)
		}
	}
	return dst
}

// appendEscaped writes text, and percent-encodes the bytes that are not kept.
func appendEscaped(dst, text []byte, keep func(byte) bool) []byte {
	for _, c := range text {
		if keep(c) {
			dst = append(dst, c)
		} else {
			dst = route.AppendEscape(dst, c)
		}
	}
	return dst
}

// isURLByte reports whether c may stand in a URL (RFC 3986, section 2). Browsers take \ for a
// slash, so it may not.
func isURLByte(c byte) bool {
	return route.IsUnreserved(c) || strings.IndexByte(":/?#[]@!$&'()*+,;=%", c) >= 0
}
