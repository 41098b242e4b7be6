package identity

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// Networks are a set of addresses. They are immutable; the zero value is empty.
type Networks struct {
	// list is sorted and doesn't overlap, for a binary search: the published lists of content
	// delivery networks have hundreds.
	list []netip.Prefix
}

// ParseNetworks reads networks ("10.0.0.0/8", "2001:db8::/32") and single addresses. The error
// names every text that is neither, after what, and what was wanted.
func ParseNetworks(what string, texts []string) (Networks, error) {
	var list []netip.Prefix
	var problems []error
	for _, text := range texts {
		network, err := parseNetwork(text)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s %q: %w", what, text, err))
			continue
		}
		list = append(list, network)
	}
	if err := errors.Join(problems...); err != nil {
		return Networks{}, err
	}
	return Networks{list: disjoint(list)}, nil
}

var errNetwork = errors.New("want an address, or a network such as 10.0.0.0/8 or 2001:db8::/32")

// parseNetwork reads a network or an address. IPv4 mapped into IPv6 becomes the IPv4 that it is, as
// addresses do before they are looked up.
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

// IsEmpty reports whether no address is in them.
func (n Networks) IsEmpty() bool { return len(n.list) == 0 }

// Contains reports whether addr is in one of the networks.
func (n Networks) Contains(addr netip.Addr) bool {
	if len(n.list) == 0 {
		return false
	}
	addr = canonical(addr)
	i, found := slices.BinarySearchFunc(n.list, addr, func(network netip.Prefix, addr netip.Addr) int {
		return network.Addr().Compare(addr)
	})
	return found || i > 0 && n.list[i-1].Contains(addr)
}
