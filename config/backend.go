package config

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"strings"
	"syscall"
)

// wantBackend is how backends are written.
const wantBackend = "http://HOST:PORT, https://HOST:PORT or unix:///PATH"

// place is what a backend's URL names.
type place struct {
	address        // over TCP
	socket  string // the path of a unix socket; "" over TCP
	secure  bool   // with TLS
}

// parseBackend reads http://HOST, http://HOST:PORT, the same with https, and unix:///PATH.
func parseBackend(url string) (place, error) {
	scheme, rest, found := strings.Cut(url, "://")
	switch scheme = strings.ToLower(scheme); {
	case !found && strings.HasPrefix(scheme, "unix:"):
		return place{}, errors.New("unix: without a //")
	case !found:
		return place{}, errors.New("no http:// in front")
	case scheme == "unix":
		return parseSocket(rest)
	case scheme != "http" && scheme != "https":
		return place{}, fmt.Errorf("scheme %s is not http, https or unix", show(scheme))
	case strings.Contains(rest, "@"):
		return place{}, errors.New("a user and password are not sent to backends")
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		return place{}, errors.New(notForBackends(rest[i:]))
	}
	defaultPort := "80"
	if scheme == "https" {
		defaultPort = "443"
	}
	a, err := parseAddress(rest, defaultPort)
	switch {
	case err != nil:
		return place{}, err
	case a.host == "":
		return place{}, errNoHost
	case a.port == 0:
		return place{}, errors.New("port 0 can't be connected to")
	}
	return place{address: a, secure: scheme == "https"}, nil
}

// notForBackends is why a backend's URL can't have that end.
func notForBackends(end string) string {
	switch {
	case end == "/":
		return "a slash at the end"
	case end[0] == '/':
		return "a path, but a backend gets the path that the client asked for"
	case end[0] == '?':
		return "a query, but a backend gets the query that the client sent"
	}
	return "a fragment, but these are never sent"
}

// longestSocket is the longest path of a unix socket in the system. A zero byte ends it.
const longestSocket = len(syscall.RawSockaddrUnix{}.Path) - 1

// parseSocket reads the path of a unix socket. Nothing in it is decoded, and characters that mean
// something in a URL are refused.
func parseSocket(file string) (place, error) {
	switch {
	case !strings.HasPrefix(file, "/"):
		return place{}, errors.New("the socket's path must start with a slash")
	case file == "/":
		return place{}, errors.New("no path of a socket")
	case path.Clean(file) != file:
		return place{}, fmt.Errorf("the shortest way to write this path is %s", show(path.Clean(file)))
	case len(file) > longestSocket:
		return place{}, fmt.Errorf("a path of %d bytes, and the system takes %d for a socket", len(file), longestSocket)
	case strings.ContainsAny(file, "?#%"):
		return place{}, errors.New("a ?, # or % in the socket's path")
	case strings.ContainsFunc(file, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return place{}, errors.New("a control character in the socket's path")
	}
	return place{socket: file}, nil
}

// Addr is what to connect to: HOST:PORT, with the default port if the URL has none, or the path of
// a unix socket, which starts with a slash. It is "" if the URL isn't valid.
func (b Backend) Addr() string {
	p, err := parseBackend(b.URL)
	switch {
	case err != nil:
		return ""
	case p.socket != "":
		return p.socket
	}
	return p.address.String()
}

// ServerName is the name or IP address that an https backend's certificate must be for, unless
// [TLS.ServerName] is set. It is "" for a backend without TLS.
func (b Backend) ServerName() string {
	p, err := parseBackend(b.URL)
	if err != nil || !p.secure {
		return ""
	}
	if ip, err := netip.ParseAddr(p.host); err == nil {
		return ip.WithZone("").String() // certificates have no zones
	}
	return p.host
}
