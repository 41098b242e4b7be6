package route

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Pattern is what a route matches. The zero value matches every request.
type Pattern struct {
	// Name is unique in a table; "" stands for the host and the prefix.
	Name    string
	Host    Host
	Prefix  Prefix
	Methods Methods
	// Headers must all match.
	Headers []Header
	// Ambiguous is what becomes of a request whose path has this route by its normal form, and
	// another one, or another exemption, by other readings.
	Ambiguous Ambiguity
}

// DisplayName is the name, or the host and the prefix where there is none.
func (p *Pattern) DisplayName() string {
	return cmp.Or(p.Name, p.Host.String()+p.Prefix.String())
}

// compare orders patterns with the same host and prefix by which is tried first. Of those that
// compare as equal the earlier one is.
func (p *Pattern) compare(other *Pattern) int {
	if p.Methods.IsAny() != other.Methods.IsAny() {
		if other.Methods.IsAny() {
			return -1
		}
		return 1
	}
	return cmp.Compare(len(other.Headers), len(p.Headers))
}

// covers reports whether p matches all that other matches.
func (p *Pattern) covers(other *Pattern) bool {
	return p.samePlace(other) && p.Methods.includes(other.Methods) &&
		!slices.ContainsFunc(p.Headers, func(h Header) bool { return !slices.ContainsFunc(other.Headers, h.includes) })
}

func (p *Pattern) samePlace(other *Pattern) bool {
	return p.Host == other.Host && p.Prefix.text == other.Prefix.text
}

// requests names what a pattern matches, the same for all patterns that match the same.
func (p *Pattern) requests() string {
	parts := []string{p.Host.String(), p.Prefix.text, p.Methods.String()}
	for _, h := range p.Headers {
		parts = append(parts, h.lower+":"+h.value)
	}
	slices.Sort(parts[3:])
	return strings.Join(parts, "\n")
}

// Conflict is an error: a route that can't be in a table with an earlier one, or that never
// matches because of one.
type Conflict struct {
	// Route and Earlier are indices of patterns.
	Route, Earlier int
	// Reason is what is wrong with Route and what was wanted. It names the other one.
	Reason string
}

// Error implements error.
func (c *Conflict) Error() string { return fmt.Sprintf("routes[%d]: %s", c.Route, c.Reason) }

// Conflicts finds the patterns that can't be in one table: names must be unique, and no two may
// match the same requests.
func Conflicts(patterns []Pattern) []*Conflict {
	var found []*Conflict
	names, requests := map[string]int{}, map[string]int{}
	for i := range patterns {
		p := &patterns[i]
		if earlier, ok := requests[p.requests()]; ok {
			found = append(found, &Conflict{i, earlier, fmt.Sprintf("matches the same requests as routes[%d] (%s); want only one of them",
				earlier, patterns[earlier].DisplayName())})
		} else if earlier, ok := names[p.DisplayName()]; ok {
			found = append(found, &Conflict{i, earlier, sameName(p, earlier)})
		}
		firstOf(requests, p.requests(), i)
		firstOf(names, p.DisplayName(), i)
	}
	return found
}

func sameName(p *Pattern, earlier int) string {
	if p.Name == "" {
		return fmt.Sprintf("has no name, and routes[%d] has the one that it gets, %q; want a name", earlier, p.DisplayName())
	}
	return fmt.Sprintf("has the name of routes[%d], %q; want another one", earlier, p.Name)
}

func firstOf(indices map[string]int, key string, i int) {
	if _, ok := indices[key]; !ok {
		indices[key] = i
	}
}

// Unreachable finds the patterns that never match, since another one that is tried before matches
// all that they match. Each is told once.
func Unreachable(patterns []Pattern) []*Conflict {
	places := map[string][]int{}
	for i := range patterns {
		place := patterns[i].Host.String() + patterns[i].Prefix.String()
		places[place] = append(places[place], i)
	}
	var found []*Conflict
	for i := range patterns {
		p := &patterns[i]
		for _, j := range places[p.Host.String()+p.Prefix.String()] {
			other := &patterns[j]
			before := cmp.Or(other.compare(p), cmp.Compare(j, i)) < 0
			if before && other.covers(p) {
				found = append(found, &Conflict{i, j, fmt.Sprintf("never matches: routes[%d] (%s) comes before it and matches all that it matches",
					j, other.DisplayName())})
				break
			}
		}
	}
	return found
}
