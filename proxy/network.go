package proxy

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// network says how much of an address tells clients apart. The zero network is the default: IPv6 by
// its /64, which is what one subscriber has, and all of IPv4.
type network struct {
	// v6 and v4 are prefix lengths in bits; 0 stands for the default.
	v6, v4 uint8
}

// The prefix lengths where nothing is said.
const (
	defaultIPv6 = 64
	defaultIPv4 = 32
)

// parseNetworkKey reads what follows "ip" in a key: "", "/48" or "/64,24".
func parseNetworkKey(lengths string) (n network, ok bool) {
	if lengths == "" {
		return network{}, true
	}
	lengths, ok = strings.CutPrefix(lengths, "/")
	v6, v4, both := strings.Cut(lengths, ",")
	n.v6, ok = parseLength(v6, 128, ok)
	if both {
		n.v4, ok = parseLength(v4, 32, ok)
	}
	if n.v6 == defaultIPv6 {
		n.v6 = 0
	}
	if n.v4 == defaultIPv4 {
		n.v4 = 0
	}
	return n, ok
}

// parseLength reads a prefix length of 1 to most. It says no if ok is false.
func parseLength(text string, most int, ok bool) (uint8, bool) {
	length, err := strconv.Atoi(text)
	fine := ok && err == nil && 1 <= length && length <= most && strconv.Itoa(length) == text
	return uint8(length), fine
}

// String writes the network as parseNetworkKey reads it.
func (n network) String() string {
	switch {
	case n.v4 != 0:
		return fmt.Sprintf("/%d,%d", n.bits(true), n.v4)
	case n.v6 != 0:
		return fmt.Sprintf("/%d", n.v6)
	}
	return ""
}

func (n network) bits(v6 bool) int {
	switch {
	case v6 && n.v6 == 0:
		return defaultIPv6
	case v6:
		return int(n.v6)
	case n.v4 == 0:
		return defaultIPv4
	}
	return int(n.v4)
}

// append writes an address as a client_id: the network that it is in, or itself where all of it
// counts. That holds for link-local addresses too, since a whole LAN has the same /64.
func (n network) append(dst []byte, addr netip.Addr) []byte {
	addr = embedded(canonical(addr))
	bits := n.bits(addr.Is6())
	if !addr.IsValid() || bits == addr.BitLen() || addr.IsLinkLocalUnicast() {
		return appendAddr(dst, addr)
	}
	return netip.PrefixFrom(addr, bits).Masked().AppendTo(dst)
}

// canonical writes an address, or a network of one client's size, as append does; other text stays.
func (n network) canonical(text string) string {
	if addr, err := netip.ParseAddr(text); err == nil {
		return string(n.append(nil, addr))
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return text
	}
	prefix = prefix.Masked()
	id := string(n.append(nil, prefix.Addr()))
	if prefix.IsSingleIP() || id == prefix.String() {
		return id
	}
	return text
}

// embedded is the IPv4 address of a client that comes by NAT64 (RFC 6052, the well-known prefix) or
// 6to4 (RFC 3056), else the address itself: all clients of a NAT64 gateway share one /64.
func embedded(addr netip.Addr) netip.Addr {
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
