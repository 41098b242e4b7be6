package proxy

import (
	"bytes"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/proxy/outcome"
	"gopher-equalizer/proxy/rewrite"
	"gopher-equalizer/proxy/route"
)

// enter refuses or redirects a request that may not be served as it came, and answers those of an
// authority.
func (r *request) enter() error {
	h, l, secured := r.head.Received, r.listener, r.stream.Secured()
	isChallenge := isChallenge(h.Path)
	switch {
	case isChallenge && r.proves():
		return outcome.Own
	case secured == nil && l.RedirectTo != 0 && !isChallenge:
		if len(h.Host) == 0 {
			return outcome.NoRoute
		}
		rewrite.BeginHTTPS(&r.own, h, l.RedirectTo)
		r.result.Responds(r.own.Status)
		return outcome.Own
	case l.TLS == nil && !isChallenge && !l.Clear.Serves(h.Host):
		return outcome.InClear
	case !l.keeps(r.arrived, secured, h.Host):
		return outcome.Outdated
	case secured != nil && l.TLS != nil && !l.TLS.Serves(secured.Name, h.Host):
		return outcome.Misdirected
	}
	return nil
}

// challenges is where an authority looks whether a domain is its applicant's (RFC 8555, section
// 8.3). It may do so before there is a certificate.
var challenges = []byte("/.well-known/acme-challenge/")

// isChallenge reports whether a path, perhaps with a query, is that of a challenge. Its token has
// no dots and no slashes, by which the path could lead elsewhere.
func isChallenge(path []byte) bool {
	token, ok := bytes.CutPrefix(path, challenges)
	if !ok {
		return false
	}
	token, _, _ = bytes.Cut(token, []byte("?"))
	for _, c := range token {
		ok = ok && isOfToken(c)
	}
	return ok && len(token) > 0
}

// isOfToken reports whether a byte may be in the token of a challenge, which is base64url (RFC
// 8555, section 8).
func isOfToken(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// proves begins the response that proves to an authority that a certificate was asked for, and
// reports whether it has. Others' challenges go on to the backends.
func (r *request) proves() bool {
	h, known := r.head.Received, r.snapshot.Challenges
	if known == nil || string(h.Method) != fasthttp.MethodGet {
		return false
	}
	path, _, _ := bytes.Cut(h.Path, []byte("?"))
	body, ok := known.Answer(string(route.AppendHost(nil, h.Host)), string(path))
	if ok {
		r.own.Begin(fasthttp.StatusOK, "text/plain", []byte(body))
		r.result.Responds(r.own.Status)
	}
	return ok
}
