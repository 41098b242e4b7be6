package identity

import (
	"bytes"
	"net/netip"
	"slices"

	"gopher-equalizer/proxy/http1"
)

// ClientAddr returns the address that a request came from: the peer's or, if the peer is trusted,
// the first untrusted address of X-Forwarded-For from the right. It is unmapped and has no zone.
//
// An entry that is no address ("unknown", say) ends the walk. The client is then the proxy that
// wrote the entry, the last address that is known. What stands further left was there before, so a
// client could have made it up. Names with other punctuation (X_Forwarded_For) don't count: no
// proxy writes them, so only clients do.
func (t Trusted) ClientAddr(peer netip.Addr, h *http1.Request) netip.Addr {
	client := canonical(peer)
	if !t.Contains(client) {
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

// walk goes through one X-Forwarded-For from the right. It returns the last address that it came
// to, and reports whether all of them were trusted.
func (t Trusted) walk(client netip.Addr, list []byte) (_ netip.Addr, more bool) {
	for len(list) > 0 {
		comma := bytes.LastIndexByte(list, ',')
		entry := http1.TrimSpace(list[comma+1:])
		list = list[:max(comma, 0)]
		if len(entry) == 0 {
			continue // An empty element counts for nothing (RFC 9110, section 5.6.1).
		}
		addr, ok := parseEntry(entry)
		if !ok {
			return client, false
		}
		if client = addr; !t.Contains(addr) {
			return client, false
		}
	}
	return client, true
}

// parseEntry reads an address as proxies write it: "192.0.2.1", "192.0.2.1:80", "2001:db8::1",
// "[2001:db8::1]", "[2001:db8::1]:80".
func parseEntry(entry []byte) (netip.Addr, bool) {
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
	addr, err := netip.ParseAddr(http1.Text(host))
	return canonical(addr), err == nil
}
