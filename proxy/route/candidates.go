package route

import (
	"cmp"
	"slices"

	"gopher-equalizer/proxy/http1"
)

// candidate is a route of a node.
type candidate struct {
	// index is the route's in its table.
	index   int
	pattern *Pattern
	// rank is the candidate's place in the order in which those of a node are tried.
	rank int
}

// candidates are the routes with one host and prefix. There may be one for each tenant, told apart
// by a header's value, so those are found by it.
type candidates struct {
	// all are sorted by rank, and so is every list below.
	all []*candidate
	// rest have no header with an exact value.
	rest []*candidate
	// indexed has the others by the first such header of theirs.
	indexed []byHeader
}

// byHeader has candidates by the value of one header.
type byHeader struct {
	lower  string
	values map[string][]*candidate
}

// newCandidates makes the candidates of patterns, which are in the order of the file.
func newCandidates(list []*candidate) candidates {
	slices.SortStableFunc(list, func(a, b *candidate) int {
		return cmp.Or(a.pattern.compare(b.pattern), cmp.Compare(a.index, b.index))
	})
	c := candidates{all: list}
	for rank, one := range list {
		one.rank = rank
		i := slices.IndexFunc(one.pattern.Headers, func(h Header) bool { return h.value != anyValue })
		if i < 0 {
			c.rest = append(c.rest, one)
			continue
		}
		h := one.pattern.Headers[i]
		values := c.values(h.lower)
		values[h.value] = append(values[h.value], one)
	}
	return c
}

// values returns the index of a header, which is made if there is none yet.
func (c *candidates) values(lower string) map[string][]*candidate {
	for _, b := range c.indexed {
		if b.lower == lower {
			return b.values
		}
	}
	c.indexed = append(c.indexed, byHeader{lower, map[string][]*candidate{}})
	return c.indexed[len(c.indexed)-1].values
}

// choose returns the first candidate that matches; nil if none does.
func (c *candidates) choose(method []byte, fields []http1.Field) *candidate {
	best := first(c.rest, method, fields)
	for i := range c.indexed {
		for j := range fields {
			if !http1.Is(fields[j].Name, c.indexed[i].lower) {
				continue
			}
			one := first(c.indexed[i].values[string(fields[j].Value)], method, fields)
			if one != nil && (best == nil || one.rank < best.rank) {
				best = one
			}
		}
	}
	return best
}

func first(list []*candidate, method []byte, fields []http1.Field) *candidate {
	for _, one := range list {
		if one.pattern.Methods.Contain(method) && one.pattern.hasHeaders(fields) {
			return one
		}
	}
	return nil
}

func (p *Pattern) hasHeaders(fields []http1.Field) bool {
	for i := range p.Headers {
		if !p.Headers[i].matches(fields) {
			return false
		}
	}
	return true
}
