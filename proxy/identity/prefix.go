package identity

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// prefixes say how much of an address tells clients apart, as prefix lengths in bits; 0 stands for
// the default. The zero value counts IPv6 by its /64, which is what one subscriber has, and all of
// IPv4.
type prefixes struct{ v6, v4 uint8 }

// The default prefix lengths.
const (
	defaultIPv6 = 64
	defaultIPv4 = 32
)

// parsePrefixes reads what follows "ip" in a key: "", "/48" or "/64,24".
func parsePrefixes(lengths string) (p prefixes, ok bool) {
	if lengths == "" {
		return prefixes{}, true
	}
	lengths, ok = strings.CutPrefix(lengths, "/")
	v6, v4, both := strings.Cut(lengths, ",")
	p.v6, ok = parseLength(v6, 128, ok)
	if both {
		p.v4, ok = parseLength(v4, 32, ok)
	}
	if p.v6 == defaultIPv6 {
		p.v6 = 0
	}
	if p.v4 == defaultIPv4 {
		p.v4 = 0
	}
	return p, ok
}

// parseLength reads a prefix length of 1 to most. It fails if ok is false.
func parseLength(text string, most int, ok bool) (uint8, bool) {
	length, err := strconv.Atoi(text)
	good := ok && err == nil && 1 <= length && length <= most && strconv.Itoa(length) == text
	return uint8(length), good
}

// String writes the prefixes as parsePrefixes reads them.
func (p prefixes) String() string {
	switch {
	case p.v4 != 0:
		return fmt.Sprintf("/%d,%d", p.bits(true), p.v4)
	case p.v6 != 0:
		return fmt.Sprintf("/%d", p.v6)
	}
	return ""
}

func (p prefixes) bits(v6 bool) int {
	switch {
	case v6 && p.v6 == 0:
		return defaultIPv6
	case v6:
		return int(p.v6)
	case p.v4 == 0:
		return defaultIPv4
	}
	return int(p.v4)
}

// appendID writes an address as a client_id: the network that it is in, or the address itself where
// all of it counts. All of a link-local address counts, since a whole LAN has the same /64.
func (p prefixes) appendID(dst []byte, addr netip.Addr) []byte {
	network := p.of(addr)
	if !network.IsValid() || network.IsSingleIP() {
		return AppendAddr(dst, network.Addr())
	}
	return network.AppendTo(dst)
}

// of is the network of an address that counts as one client; invalid for an invalid address.
func (p prefixes) of(addr netip.Addr) netip.Prefix {
	addr = unwrapIPv4(canonical(addr))
	if addr.IsLinkLocalUnicast() {
		return netip.PrefixFrom(addr, addr.BitLen())
	}
	return netip.PrefixFrom(addr, p.bits(addr.Is6())).Masked()
}

// canonicalID writes an address, or a network of one client's size, as appendID does. It returns
// any other text unchanged.
func (p prefixes) canonicalID(text string) string {
	if addr, err := netip.ParseAddr(text); err == nil {
		return string(p.appendID(nil, addr))
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return text
	}
	prefix = prefix.Masked()
	id := string(p.appendID(nil, prefix.Addr()))
	if prefix.IsSingleIP() || id == prefix.String() {
		return id
	}
	return text
}

// unwrapIPv4 returns the IPv4 address of a client that comes by NAT64 (RFC 6052, the well-known
// prefix) or 6to4 (RFC 3056), and any other address as it is. All clients of a NAT64 gateway share
// one /64.
func unwrapIPv4(addr netip.Addr) netip.Addr {
	if !addr.Is6() {
		return addr
	}
	b := addr.As16()
	switch {
	case [12]byte(b[:12]) == [12]byte{0, 0x64, 0xff, 0x9b}:
		return netip.AddrFrom4([4]byte(b[12:]))
	case b[0] == 0x20 && b[1] == 0x02:
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return addr
}
