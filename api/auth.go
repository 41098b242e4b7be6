package api

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"
)

// guard decides who gets in.
type guard struct {
	// secured is true if there is a token.
	secured bool
	// token is its hash. All hashes have one length, so comparing them doesn't reveal the token's.
	token [sha256.Size]byte
}

func newGuard(token string) guard {
	return guard{secured: token != "", token: sha256.Sum256([]byte(token))}
}

// admit returns why a request doesn't get in, or nil if it does.
func (g guard) admit(request *fasthttp.Request) error {
	if err := checkTarget(&request.Header); err != nil {
		return err
	}
	if err := checkOrigin(&request.Header); err != nil {
		return err
	}
	if !g.secured {
		return admitLocal(&request.Header)
	}
	switch string(request.URI().PathOriginal()) {
	case "/healthz", "/readyz":
		return nil
	}
	return g.admitBearer(&request.Header)
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
func checkOrigin(header *fasthttp.RequestHeader) error {
	given := header.PeekAll(fasthttp.HeaderOrigin)
	if len(given) == 0 {
		return nil
	}
	own := "http://" + string(header.Host())
	if len(given) > 1 || !strings.EqualFold(withoutPort80(string(given[0])), withoutPort80(own)) {
		return refuse(errForbidden, "Origin is %s; want %s, or none", excerpt(strconv.Quote(string(bytes.Join(given, []byte(", "))))), excerpt(own))
	}
	return nil
}

// withoutPort80 cuts the default port of an http origin.
func withoutPort80(origin string) string { return strings.TrimSuffix(origin, ":80") }

// admitLocal wants Host to name this machine if there is no token. A page whose name was rebound to
// a loopback address still sends that name.
func admitLocal(header *fasthttp.RequestHeader) error {
	if !isLoopbackHost(string(header.Host())) {
		return refuse(errForbidden, "Host is %q; want localhost, an address of 127.0.0.0/8 or [::1] where no token is configured", header.Host())
	}
	return nil
}

// admitBearer wants the token in the form of RFC 6750 (2.1): Authorization: Bearer TOKEN.
func (g guard) admitBearer(header *fasthttp.RequestHeader) error {
	given := header.PeekAll(fasthttp.HeaderAuthorization)
	if len(given) != 1 {
		return refuse(errUnauthorized, "there are %d Authorization headers; want one, Authorization: Bearer TOKEN", len(given))
	}
	scheme, token, _ := strings.Cut(string(given[0]), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return refuse(errUnauthorized, "the authorization is not of the Bearer scheme; want Authorization: Bearer TOKEN")
	}
	hash := sha256.Sum256([]byte(strings.TrimLeft(token, " ")))
	if subtle.ConstantTimeCompare(hash[:], g.token[:]) != 1 {
		return refuse(errUnauthorized, "the token is not the configured one")
	}
	return nil
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

// checkListener refuses a listener that other machines can reach if there is no token.
func (g guard) checkListener(addr net.Addr) error {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || g.secured || tcp.IP.IsLoopback() {
		return nil
	}
	return fmt.Errorf("admin API on %v without a token; want a token, or a loopback address such as 127.0.0.1:8080", addr)
}
