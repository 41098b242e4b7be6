package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"gopher-equalizer/proxy/http1"
)

// TrustedProxies are the networks whose X-Forwarded-For is believed. It is immutable;
// the zero value trusts nobody.
type TrustedProxies struct {
	// networks are in order and none overlaps another, for a binary search: the published
	// lists of content delivery networks run to hundreds.
	networks []netip.Prefix
}

// ParseTrustedProxies reads networks ("10.0.0.0/8", "2001:db8::/32") and single addresses.
// The error names every text that is neither, and what was wanted.
func ParseTrustedProxies(texts []string) (TrustedProxies, error) {
	var networks []netip.Prefix
	var problems []error
	for _, text := range texts {
		network, err := parseNetwork(text)
		if err != nil {
			problems = append(problems, fmt.Errorf("trusted proxy %q: %w", text, err))
			continue
		}
		networks = append(networks, network)
	}
	if err := errors.Join(problems...); err != nil {
		return TrustedProxies{}, err
	}
	return TrustedProxies{networks: disjoint(networks)}, nil
}

var errNetwork = errors.New("want an address, or a network such as 10.0.0.0/8 or 2001:db8::/32")

// parseNetwork reads one of them. IPv4 mapped into IPv6 is taken for the IPv4 that it is, as
// addresses are before they are looked up.
func parseNetwork(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = canonical(addr)
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	network, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, errNetwork
	}
	if network.Addr().Is4In6() && network.Bits() >= 96 {
		network = netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-96)
	}
	if network != network.Masked() {
		return netip.Prefix{}, fmt.Errorf("bits are set behind the prefix; want %v, or a longer prefix", network.Masked())
	}
	return network, nil
}

// disjoint sorts networks and drops those that lie within others.
func disjoint(networks []netip.Prefix) []netip.Prefix {
	slices.SortFunc(networks, netip.Prefix.Compare)
	kept := networks[:0]
	for _, n := range networks {
		if len(kept) == 0 || !kept[len(kept)-1].Contains(n.Addr()) {
			kept = append(kept, n)
		}
	}
	return kept
}

// Trusts says whether addr is one of them.
func (t TrustedProxies) Trusts(addr netip.Addr) bool {
	if len(t.networks) == 0 {
		return false
	}
	addr = canonical(addr)
	i, found := slices.BinarySearchFunc(t.networks, addr, func(n netip.Prefix, addr netip.Addr) int {
		return n.Addr().Compare(addr)
	})
	return found || i > 0 && t.networks[i-1].Contains(addr)
}

// ClientIP is the address that a request came from: the peer's, or if that is trusted, the
// first untrusted one of X-Forwarded-For from the right. The answer is unmapped and has no zone.
//
// An entry that is no address ("unknown", say) ends the walk, and the client is the proxy that reported it: the
// last one we know. What stands further left was there before, so a client could have made it up.
// Names with other punctuation (X_Forwarded_For) don't count: no proxy writes them, so only clients do.
func (t TrustedProxies) ClientIP(peer netip.Addr, h *http1.Request) netip.Addr {
	client := canonical(peer)
	if !t.Trusts(client) {
		return client
	}
	for _, f := range slices.Backward(h.Fields) {
		if !http1.Is(f.Name, "x-forwarded-for") {
			continue
		}
		var more bool
		if client, more = t.walk(client, f.Value); !more {
			break
		}
	}
	return client
}

// walk goes through one X-Forwarded-For from the right; more says that all of it were trusted proxies.
func (t TrustedProxies) walk(client netip.Addr, list []byte) (_ netip.Addr, more bool) {
	for len(list) > 0 {
		comma := bytes.LastIndexByte(list, ',')
		entry := http1.TrimSpace(list[comma+1:])
		list = list[:max(comma, 0)]
		if len(entry) == 0 {
			continue // An empty element counts for nothing (RFC 9110, section 5.6.1).
		}
		addr, ok := parseForwarded(entry)
		if !ok {
			return client, false
		}
		if client = addr; !t.Trusts(addr) {
			return client, false
		}
	}
	return client, true
}

// parseForwarded reads an address as proxies write it: "192.0.2.1", "192.0.2.1:80", "2001:db8::1",
// "[2001:db8::1]", "[2001:db8::1]:80".
func parseForwarded(entry []byte) (netip.Addr, bool) {
	host := entry
	if entry[0] == '[' {
		end := bytes.IndexByte(entry, ']')
		if end < 0 || !http1.IsPort(entry[end+1:]) {
			return netip.Addr{}, false
		}
		host = entry[1:end]
	} else if colon := bytes.IndexByte(entry, ':'); colon >= 0 && colon == bytes.LastIndexByte(entry, ':') {
		if !http1.IsPort(entry[colon:]) {
			return netip.Addr{}, false
		}
		host = entry[:colon]
	}
	addr, err := netip.ParseAddr(asString(host))
	return canonical(addr), err == nil
}

// canonical is the one form in which addresses are compared and written.
func canonical(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

// appendAddr writes an address for people and backends. A peer has none behind a socket that isn't TCP.
func appendAddr(dst []byte, addr netip.Addr) []byte {
	if !addr.IsValid() {
		return append(dst, "unknown"...)
	}
	return canonical(addr).AppendTo(dst)
}
