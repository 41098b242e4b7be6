package route

import (
	"errors"
	"net/netip"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/identity"
)

// Exemption says which requests a limit doesn't count. What is given must all match.
type Exemption struct {
	// Networks has the client's address; none given: any address.
	Networks identity.Networks
	Methods  Methods
	// Prefixes has one of the path; none given: any path.
	Prefixes []Prefix
}

// ParseExemption reads an exemption. At least one of the lists must be given. The error names every
// text that is wrong, and what was wanted.
func ParseExemption(networks, methods, prefixes []string) (e Exemption, err error) {
	if len(networks)+len(methods)+len(prefixes) == 0 {
		return e, errors.New("exempts every request; want networks, methods or path_prefixes")
	}
	var problems [2]error
	e.Networks, problems[0] = identity.ParseNetworks("unexpected network", networks)
	e.Methods, problems[1] = ParseMethods(methods)
	all := problems[:]
	for _, text := range prefixes {
		prefix, err := ParsePrefix(text)
		e.Prefixes, all = append(e.Prefixes, prefix), append(all, err)
	}
	return e, errors.Join(all...)
}

// Exemptions are those of a limit. One that matches is enough. They are immutable; the zero value
// exempts nothing.
type Exemptions struct{ entries []exemption }

type exemption struct {
	networks identity.Networks
	methods  Methods
	// prefixes is nil if any path will do.
	prefixes *tree
}

// NewExemptions compiles exemptions.
func NewExemptions(list []Exemption) Exemptions {
	var e Exemptions
	for i := range list {
		entry := exemption{networks: list[i].Networks, methods: list[i].Methods}
		if len(list[i].Prefixes) > 0 {
			entry.prefixes = &tree{}
			for _, p := range list[i].Prefixes {
				entry.prefixes.at(p).covered = true
			}
			entry.prefixes.root.cover()
		}
		e.entries = append(e.entries, entry)
	}
	return e
}

// cover marks what is below a covered prefix.
func (n *node) cover() {
	for _, child := range n.children {
		child.covered = child.covered || n.covered
		child.cover()
	}
}

// Cover reports whether a request is exempt. client is what identity.Trusted.ClientAddr returned,
// path what Match has seen. ambiguous reports that readers of the path differ about it: such a
// request is to be refused (400).
func (e *Exemptions) Cover(client netip.Addr, method []byte, path *Path) (exempt, ambiguous bool) {
	by, ambiguous := e.Find(client, method, path)
	return by != None, ambiguous
}

// None is what Find returns if nothing exempts the request.
const None = -1

// Find is Cover that returns which exemption it is by, from 0, or None.
func (e *Exemptions) Find(client netip.Addr, method []byte, path *Path) (by int, ambiguous bool) {
	for i := range e.entries {
		entry := &e.entries[i]
		if !entry.methods.Contain(method) || !entry.networks.IsEmpty() && !entry.networks.Contains(client) {
			continue
		}
		switch covered, sure := entry.coversPath(path); {
		case sure && covered:
			return i, false
		case !sure:
			ambiguous = true
		}
	}
	return None, ambiguous && path.mode == Refuse
}

// coversPath reports whether the path is covered, and whether all readers say so.
func (e *exemption) coversPath(path *Path) (covered, sure bool) {
	if path.ambiguous {
		return false, true // Match let it pass, and such a path is never exempt.
	}
	if e.prefixes == nil {
		return true, true
	}
	covered = e.prefixes.find(path).covered
	return covered, path.agree(e.prefixes, func(n *node) bool { return n.covered == covered })
}

// IsPreflight reports whether a request asks for another one's permission, as browsers do (Fetch,
// section 4.8): OPTIONS with Origin and Access-Control-Request-Method.
func IsPreflight(method []byte, fields []http1.Field) bool {
	if string(method) != "OPTIONS" {
		return false
	}
	var origin, asks bool
	for i := range fields {
		origin = origin || http1.Is(fields[i].Name, "origin")
		asks = asks || http1.Is(fields[i].Name, "access-control-request-method")
	}
	return origin && asks
}
