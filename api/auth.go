package api

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"net/netip"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"
)

// guard decides who gets in.
type guard struct {
	// token and readToken are what callers may send.
	token, readToken credential
	// insecure lets callers come in clear from elsewhere.
	insecure bool
}

func newGuard(s Settings) guard {
	return guard{token: newCredential(s.Token), readToken: newCredential(s.ReadToken), insecure: s.Insecure}
}

// secured reports whether callers need a token.
func (g guard) secured() bool { return g.token.given || g.readToken.given }

// credential is a bearer token, if there is one.
type credential struct {
	given bool
	// hash is the token's. All hashes have one length, so comparing them doesn't reveal the
	// token's.
	hash [sha256.Size]byte
}

func newCredential(token string) credential {
	return credential{given: token != "", hash: sha256.Sum256([]byte(token))}
}

// is reports whether a token with this hash is the one, in a time that doesn't depend on it.
func (c credential) is(hash [sha256.Size]byte) bool {
	return subtle.ConstantTimeCompare(hash[:], c.hash[:]) == 1 && c.given
}

// admit returns why a request doesn't get in, or nil if it does.
func (g guard) admit(ctx *fasthttp.RequestCtx) error {
	request := &ctx.Request
	if err := checkTarget(&request.Header); err != nil {
		return err
	}
	if err := checkOrigin(&request.Header, ctx.IsTLS()); err != nil {
		return err
	}
	if err := g.checkReach(ctx.LocalAddr(), ctx.IsTLS()); err != nil {
		return refuse(errForbidden, "%v; the configuration has changed since this connection was made", err)
	}
	if !g.secured() {
		return admitLoopback(&request.Header)
	}
	if path := string(request.URI().PathOriginal()); path == "/healthz" || path == "/readyz" || isOfPage(path) {
		return nil
	}
	return g.admitBearer(request)
}

// checkTarget refuses targets that could be routed to another resource than they name: absolute
// URIs, whose authority may differ from Host, and fragments. With its fragment cut off, DELETE
// /buckets/a#b would delete a.
func checkTarget(header *fasthttp.RequestHeader) error {
	target := header.RequestURI()
	switch {
	case len(header.Host()) == 0:
		return badRequest("there is no Host; want one")
	case !bytes.HasPrefix(target, []byte("/")), bytes.HasPrefix(target, []byte("//")):
		return badRequest("the request target is no path; want one such as /buckets")
	case bytes.IndexByte(target, '#') >= 0:
		return badRequest("the request target has a #; want %%23 for one in a client_id")
	}
	return nil
}

// checkOrigin refuses requests that a browser sends for a page of another origin.
func checkOrigin(header *fasthttp.RequestHeader, secure bool) error {
	given := header.PeekAll(fasthttp.HeaderOrigin)
	if len(given) == 0 {
		return nil
	}
	own, port := "http://"+string(header.Host()), ":80"
	if secure {
		own, port = "https://"+string(header.Host()), ":443"
	}
	if len(given) > 1 || !strings.EqualFold(strings.TrimSuffix(string(given[0]), port), strings.TrimSuffix(own, port)) {
		return refuse(errForbidden, "Origin is %s; want %s, or none", excerpt(strconv.Quote(string(bytes.Join(given, []byte(", "))))), excerpt(own))
	}
	return nil
}

// admitLoopback wants Host to name this machine, if there is no token. A page whose name was
// rebound to a loopback address still sends that name.
func admitLoopback(header *fasthttp.RequestHeader) error {
	if !isLoopbackHost(string(header.Host())) {
		return refuse(errForbidden, "Host is %q; want localhost, an address of 127.0.0.0/8 or [::1] where no token is configured", header.Host())
	}
	return nil
}

// admitBearer wants the token in the form of RFC 6750 (2.1): Authorization: Bearer TOKEN.
func (g guard) admitBearer(request *fasthttp.Request) error {
	given := request.Header.PeekAll(fasthttp.HeaderAuthorization)
	if len(given) != 1 {
		return refuse(errUnauthorized, "there are %d Authorization headers; want one, Authorization: Bearer TOKEN", len(given))
	}
	scheme, token, _ := strings.Cut(string(given[0]), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return refuse(errUnauthorized, "the authorization is not of the Bearer scheme; want Authorization: Bearer TOKEN")
	}
	hash := sha256.Sum256([]byte(strings.TrimLeft(token, " ")))
	all, reading := g.token.is(hash), g.readToken.is(hash)
	switch {
	case all, reading && reads(request):
		return nil
	case reading:
		return refuse(errForbidden, "the token is admin.read_token, which may only GET, and POST /explain; want admin.token")
	}
	return refuse(errUnauthorized, "the token is not the configured one")
}

// reads reports whether a request changes nothing.
func reads(request *fasthttp.Request) bool {
	header := &request.Header
	return header.IsGet() || header.IsHead() || header.IsPost() && string(request.URI().PathOriginal()) == explainPath
}

// isLoopbackHost reports whether a Host, with any port or none, names this machine without asking a
// name server: localhost, or an address literal.
func isLoopbackHost(hostport string) bool {
	host, port, bracketed := splitHost(hostport)
	if port != "" {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return false
		}
	}
	if !bracketed && strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback() && addr.Zone() == "" && addr.Is4() == !bracketed
}

// splitHost splits NAME[:PORT] and [ADDRESS][:PORT]. For another form the host is empty.
func splitHost(hostport string) (host, port string, bracketed bool) {
	if !strings.HasPrefix(hostport, "[") {
		host, port, _ = strings.Cut(hostport, ":")
		return host, port, false
	}
	host, rest, closed := strings.Cut(hostport[1:], "]")
	if !closed || rest != "" && rest[0] != ':' {
		return "", "", true
	}
	return host, strings.TrimPrefix(rest, ":"), true
}
