package identity

import "net/netip"

// canonical returns the form in which addresses are compared and written: IPv4 unmapped, no zone.
func canonical(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

// AppendAddr appends an address for people and backends. A peer whose socket isn't TCP has no
// address and is "unknown".
func AppendAddr(dst []byte, addr netip.Addr) []byte {
	if !addr.IsValid() {
		return append(dst, "unknown"...)
	}
	return canonical(addr).AppendTo(dst)
}
