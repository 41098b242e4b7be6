package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// managed is what an operator gave a client; nil is no managed bucket. No token comes back within a
// test.
type managed struct{ capacity, tokens int64 }

const never = "1/100h"

// operator writes buckets by the admin API, one write at a time, and knows what each of them must
// be.
type operator struct {
	t     *testing.T // the round's
	rng   *rand.Rand
	limit string
	ids   []string
	// promised is what a bucket may be: one state, or several after a write without a response or
	// with a 503 that it is in doubt.
	promised map[string][]*managed
	// spent is true if clients spend from the buckets meanwhile, or if a crash takes what they may
	// have spent. Then there may be fewer tokens, and instead of no managed bucket there may be a
	// limit's.
	spent bool

	acknowledged, refused, doubted int64
}

func newOperator(name, limit string, rng *rand.Rand, spent bool) *operator {
	o := &operator{rng: rng, limit: limit, promised: map[string][]*managed{}, spent: spent}
	for i := range 8 {
		id := fmt.Sprintf("%s-%d", name, i)
		o.ids = append(o.ids, id)
		o.promised[id] = []*managed{nil}
	}
	return o
}

// write makes one write at random. over is true if the process was killed before its response.
func (o *operator) write(admin string) (over bool) {
	id := o.ids[o.rng.IntN(len(o.ids))]
	old := o.promised[id]
	method, path, body, next := o.choose(id, old[0] != nil)
	o.promised[id] = append(slices.Clone(old), next)
	a, err := do(method, admin+path, body)
	switch {
	case err != nil:
		return true
	case a.status/100 == 2:
		o.acknowledged++
		o.promised[id] = []*managed{next}
	case a.status == 503 && strings.Contains(a.body, ":store-unavailable"):
		o.refused++
		o.promised[id] = old
	case a.status == 503 && strings.Contains(a.body, ":in-doubt"):
		o.doubted++
		return o.settle(admin, id)
	default:
		assert.Failf(o.t, "an admin write", "%s %s %s: %d %s", method, path, body, a.status, a.body)
		return true
	}
	return false
}

// choose is a write that is possible for a bucket, managed or not, and what the bucket then is.
func (o *operator) choose(id string, isManaged bool) (method, path, body string, next *managed) {
	next = &managed{capacity: 1 + o.rng.Int64N(1000)}
	next.tokens = o.rng.Int64N(next.capacity + 1)
	path = o.path(id)
	values := fmt.Sprintf(`"capacity":%d,"tokens":%d,"refill":%q`, next.capacity, next.tokens, never)
	switch n := o.rng.IntN(4); {
	case n == 0 && !isManaged:
		return "POST", "/buckets", fmt.Sprintf(`{"client_id":%q,"limit":%q,%s}`, id, o.limit, values), next
	case n == 0:
		return "DELETE", path, "", nil
	case n == 1 && isManaged:
		return "PATCH", path, "{" + values + "}", next
	}
	return "PUT", path, "{" + values + "}", next
}

func (o *operator) path(id string) string { return "/buckets/" + id + "?in=" + o.limit }

// settle asks until the store knows the outcome of a write, which must be one of the two that are
// possible.
func (o *operator) settle(admin, id string) (over bool) {
	for {
		a, err := do("GET", admin+o.path(id), "")
		switch {
		case err != nil:
			return true
		case a.status != 503:
			o.promised[id], err = o.of(id, a)
			return !assert.NoError(o.t, err)
		}
	}
}

// of picks the promised states that a response may show.
func (o *operator) of(id string, a answer) ([]*managed, error) {
	var b bucket
	if a.status == 200 {
		if err := json.Unmarshal([]byte(a.body), &b); err != nil {
			return nil, err
		}
	}
	fit := slices.DeleteFunc(slices.Clone(o.promised[id]), func(m *managed) bool { return !o.fits(m, b) })
	if len(fit) == 0 || a.status != 200 && a.status != 404 {
		return nil, fmt.Errorf("bucket %s is %d %s; promised was %s", id, a.status, a.body, describe(o.promised[id]))
	}
	return fit, nil
}

func (o *operator) fits(m *managed, b bucket) bool {
	if m == nil {
		return !b.Managed && (o.spent || b.ClientID == "")
	}
	right := b.Managed && b.Capacity == m.capacity && b.Refill == never
	return right && (b.Tokens == m.tokens || o.spent && b.Tokens < m.tokens)
}

func describe(states []*managed) string {
	var said []string
	for _, m := range states {
		if m == nil {
			said = append(said, "none")
			continue
		}
		said = append(said, fmt.Sprintf("%d of %d", m.tokens, m.capacity))
	}
	return strings.Join(said, ", or ")
}

// verify holds every bucket against what was promised, and goes on from there.
func (o *operator) verify(p *proxied) {
	for _, id := range o.ids {
		is, err := o.of(id, p.call("GET", o.path(id), ""))
		require.NoError(p.t, err)
		o.promised[id] = is
	}
}
