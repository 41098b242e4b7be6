package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// The bytes of names of several kinds.
const (
	digits    = "0123456789"
	wordBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_" + digits
)

func consistsOf(text, bytes string) bool { return strings.Trim(text, bytes) == "" }

// address is a host and a port.
type address struct {
	// host is a name in lower case, an IP address without brackets, or "" for all addresses.
	host string
	// ip is the host's, unmapped. For a name it isn't valid, except localhost, which is 127.0.0.1.
	ip   netip.Addr
	port int
}

var errNoHost = errors.New("no host")

// parseAddress reads HOST:PORT, [IPV6]:PORT or :PORT. The port may be left out if there is a
// default for it.
func parseAddress(text, defaultPort string) (address, error) {
	if strings.Contains(text, "/") {
		return address{}, errors.New("a URL or a path, not an address")
	}
	host, port := text, defaultPort
	if colon := strings.LastIndexByte(text, ':'); colon > strings.LastIndexByte(text, ']') {
		host, port = text[:colon], text[colon+1:]
	}
	n, err := strconv.ParseUint(port, 10, 16)
	switch {
	case port == "":
		return address{}, errors.New("no port")
	case err != nil:
		return address{}, fmt.Errorf("port %s is not a number from 0 to 65535", show(port))
	}
	a := address{port: int(n)}
	if inner, found := strings.CutPrefix(host, "["); found {
		a.host, a.ip, err = parseBracketed(inner)
	} else if host != "" {
		a.host, a.ip, err = parseHost(host)
	}
	return a, err
}

// parseBracketed reads an IPv6 address behind its opening bracket. netip takes every byte for a
// zone, also those that would end a line of a header.
func parseBracketed(text string) (host string, ip netip.Addr, err error) {
	inner, closed := strings.CutSuffix(text, "]")
	if !closed {
		return "", netip.Addr{}, errors.New("no closing bracket at the host's end")
	}
	ip, err = netip.ParseAddr(inner)
	if err != nil || !ip.Is6() || !consistsOf(ip.Zone(), wordBytes+"-.") {
		return "", netip.Addr{}, fmt.Errorf("%s is not an IPv6 address in brackets", show("["+text))
	}
	return ip.String(), ip.Unmap(), nil
}

// parseHost reads a name or an IPv4 address.
func parseHost(text string) (host string, ip netip.Addr, err error) {
	if strings.Contains(text, ":") {
		return "", netip.Addr{}, errors.New("an IPv6 address needs brackets, as in [::1]:8000")
	}
	if ip, err = netip.ParseAddr(text); err == nil {
		return text, ip, nil
	}
	if !isHostName(text) {
		return "", netip.Addr{}, fmt.Errorf("%s is neither a host's name nor an IP address", show(text))
	}
	host = strings.ToLower(text)
	if host == "localhost" {
		ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return host, ip, nil
}

// isHostName reports whether a name has the form of RFC 1123, with the underscores that container
// networks add to it. A last label that is a number would make it a broken IPv4 address.
func isHostName(text string) bool {
	labels := strings.Split(strings.TrimSuffix(text, "."), ".")
	for _, label := range labels {
		if len(label) < 1 || len(label) > 63 || !consistsOf(label, wordBytes+"-") ||
			label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return len(text) <= 254 && !consistsOf(labels[len(labels)-1], digits)
}

// String writes the address so that net.Dial takes it.
func (a address) String() string { return net.JoinHostPort(a.host, strconv.Itoa(a.port)) }

// everywhere reports whether this address is all of a machine's addresses.
func (a address) everywhere() bool { return a.host == "" || a.ip.IsUnspecified() }

// same reports whether two addresses are the same, however they are written.
func (a address) same(b address) bool {
	return a.port == b.port && (a.host == b.host || a.ip.IsValid() && a.ip == b.ip)
}

// clashes reports whether two listeners can't have both addresses.
func (a address) clashes(b address) bool {
	if a.port == 0 || a.port != b.port {
		return false
	}
	return a.same(b) || a.covers(b) || b.covers(a)
}

// covers reports whether a listener here also listens on b. 0.0.0.0 has no IPv6.
func (a address) covers(b address) bool {
	return a.everywhere() && !(a.ip.Is4() && b.ip.Is6())
}

// reaches reports whether a connect to b reaches a listener here, as far as the addresses show.
func (a address) reaches(b address) bool {
	return a.port != 0 && a.port == b.port && (a.same(b) || a.covers(b) && (b.ip.IsLoopback() || b.everywhere()))
}
