package certs

import "strings"

// byHost has what holds for hosts: for a name, or for all names below one.
type byHost[T any] struct {
	exact, below map[string]T
	// longest is the length of the longest name that others are below.
	longest int
}

// newByHost makes a byHost. The hosts are names, or "*.NAME" for those below NAME, at any depth.
func newByHost[T any](hosts map[string]T) byHost[T] {
	b := byHost[T]{exact: map[string]T{}, below: map[string]T{}}
	for host, is := range hosts {
		host = strings.ToLower(host)
		if parent, wild := strings.CutPrefix(host, "*."); wild {
			b.below[parent], b.longest = is, max(b.longest, len(parent))
		} else {
			b.exact[host] = is
		}
	}
	return b
}

// of returns what holds for a host, in lower case: what is said of it, or else of the nearest name
// that it is below.
func (b *byHost[T]) of(host string) (is T, ok bool) {
	if is, ok = b.exact[host]; ok {
		return is, true
	}
	for _, parent, more := strings.Cut(host, "."); more; _, parent, more = strings.Cut(parent, ".") {
		if len(parent) > b.longest {
			continue // Looking each of them up would take long for a host of many dots.
		}
		if is, ok = b.below[parent]; ok {
			return is, true
		}
	}
	return is, false
}

// Clear is what a listener in clear keeps from hosts that require certificates of their clients. It
// is immutable; nil keeps nothing from anybody.
type Clear struct{ required byHost[bool] }

// NewClear makes a Clear of hosts with policies, as those of a Listener. It is nil if none of them
// requires certificates.
func NewClear(hosts map[string]Policy) *Clear {
	required, some := map[string]bool{}, false
	for host, policy := range hosts {
		required[host] = policy.ClientAuth == AuthRequire
		some = some || required[host]
	}
	if !some {
		return nil
	}
	return &Clear{newByHost(required)}
}

// Serves reports whether a request for a host may come in clear. host is what stands in Host.
func (c *Clear) Serves(host []byte) bool {
	if c == nil {
		return true
	}
	var buf [256]byte
	required, _ := c.required.of(string(appendHost(buf[:0], host)))
	return !required
}
