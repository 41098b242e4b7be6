package limiter

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/gcra"
)

// Calls of takers and operators to one client's bucket are linearizable: each takes effect at some
// moment between its begin and its end. Nothing is seen late or in part, and no token is spent
// twice. The clock stands still, so that a model can predict each result.

// call is one call; c is for Create, Put and Patch.
type call struct {
	op string
	c  Change
}

// result is what the caller sees. Admin writes also return the bucket as it is a moment later,
// which isn't compared.
type result struct {
	err              error
	allowed, created bool
	managed          bool
	capacity, tokens int64
}

// content is the model's bucket. An unmanaged one has the default capacity, and doesn't exist while
// it is full.
type content struct {
	managed          bool
	capacity, tokens int64
}

const linearCapacity = 4

func freshContent() content { return content{false, linearCapacity, linearCapacity} }

func (b content) exists() bool { return b.managed || b.tokens < b.capacity }

func linearModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return freshContent() },
		Step: func(state, input, output any) (bool, any) {
			return state.(content).step(input.(call), output.(result))
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
	}
}

// step reports whether the result is possible, and returns the bucket after it.
func (b content) step(in call, out result) (bool, content) {
	switch in.op {
	case "take":
		return b.take(out)
	case "get":
		seen := content{out.managed, out.capacity, out.tokens}
		return b.exists() == (out.err == nil) && (out.err != nil || seen == b), b
	case "delete":
		return b.exists() == (out.err == nil), b.after(out.err, freshContent())
	case "create":
		tokens := *in.c.Capacity
		if in.c.Tokens != nil {
			tokens = *in.c.Tokens
		}
		return b.managed == (out.err != nil), b.after(out.err, content{true, *in.c.Capacity, tokens})
	case "patch":
		return b.exists() == (out.err == nil), b.after(out.err, b.changed(in.c))
	}
	if out.err == nil && out.created {
		return !b.managed, b.recreated(in.c)
	}
	return b.exists() && out.err == nil, b.changed(in.c)
}

func (b content) after(err error, changed content) content {
	if err != nil {
		return b
	}
	return changed
}

func (b content) take(out result) (bool, content) {
	if b.tokens == 0 {
		return !out.allowed && out.tokens == 0 && out.capacity == b.capacity, b
	}
	b.tokens--
	return out.allowed && out.tokens == b.tokens && out.capacity == b.capacity, b
}

// changed keeps the tokens, unless the call sets others.
func (b content) changed(c Change) content {
	b.managed = true
	if c.Capacity != nil {
		b.capacity = *c.Capacity
	}
	b.tokens = min(b.tokens, b.capacity)
	if c.Tokens != nil {
		b.tokens = *c.Tokens
	}
	return b
}

// recreated is a bucket that didn't exist when the call was checked. It lacks what its client spent
// between the check and the change.
func (b content) recreated(c Change) content {
	spent := b.capacity - b.tokens
	b.tokens = b.capacity
	fresh := b.changed(c)
	if c.Tokens == nil {
		fresh.tokens = max(0, fresh.capacity-spent)
	}
	return fresh
}

// recorder notes calls and results, by a clock that only counts.
type recorder struct {
	t     *testing.T
	clock atomic.Int64

	mu      sync.Mutex
	history []porcupine.Operation
}

func (r *recorder) do(who int, in call, do func() result) {
	begin := r.clock.Add(1)
	out := do()
	end := r.clock.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history = append(r.history, porcupine.Operation{ClientId: who, Input: in, Call: begin, Output: out, Return: end})
}

func (r *recorder) linearizable() bool {
	return porcupine.CheckOperations(linearModel(), r.history)
}

// ask makes the call on the real Service.
func (f *fixture) ask(id string, in call) result {
	ctx := context.Background()
	var out result
	switch in.op {
	case "take":
		return resultOf(f.Take(id))
	case "get":
		snap, err := f.Get(id)
		return result{err: err, managed: snap.Managed, capacity: snap.Capacity, tokens: snap.Tokens}
	case "delete":
		_, out.err = f.Delete(ctx, id)
	case "create":
		_, out.err = f.Create(ctx, id, in.c)
	case "patch":
		_, out.err = f.Patch(ctx, id, in.c)
	case "put":
		written, err := f.Put(ctx, id, in.c)
		out.created, out.err = err == nil && written.Before == nil, err
	}
	wanted := out.err == nil || errors.Is(out.err, ErrNotFound) || errors.Is(out.err, ErrManaged)
	assert.True(f.t, wanted, "%s: %v", in.op, out.err)
	return out
}

func resultOf(d Decision) result {
	return result{allowed: d.Allowed, capacity: d.Settings.Capacity, tokens: d.Remaining}
}

// anyWrite is a random call of an operator.
func anyWrite(random *rand.Rand) call {
	capacity := random.Int64N(6) + 1
	c := Change{Capacity: &capacity}
	if random.IntN(2) == 0 {
		c.Tokens = ptr(random.Int64N(capacity + 1))
	}
	return call{[]string{"create", "put", "patch", "delete", "delete"}[random.IntN(5)], c}
}

func newLinearFixture(t *testing.T) *fixture {
	f := newFixture(t)
	o := f.options()
	o.Settings = gcra.Settings{Capacity: linearCapacity, Refill: gcra.Refill{Amount: 1, Per: time.Minute}}
	f.reopen(o)
	return f
}

func TestBucketsAreLinearizable(t *testing.T) {
	f := newLinearFixture(t)
	stop := make(chan struct{})
	var background sync.WaitGroup
	background.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				assert.NoError(t, f.flush(context.Background(), 0))
				f.reapAll()
			}
		}
	})
	for n := range 300 {
		r := &recorder{t: t}
		id := fmt.Sprintf("client-%d", n)
		var all sync.WaitGroup
		for who := range 4 {
			all.Go(func() {
				random := rand.New(rand.NewPCG(uint64(n), uint64(who)))
				for range 12 {
					in := call{op: []string{"take", "take", "get"}[random.IntN(3)]}
					if who < 2 {
						in = anyWrite(random)
					}
					r.do(who, in, func() result { return f.ask(id, in) })
				}
			})
		}
		all.Wait()
		require.True(t, r.linearizable(), "round %d: %+v", n, r.history)
	}
	close(stop)
	background.Wait()
}

// The checker finds a take that came between the two halves of a write. The test does to a sound
// bucket, behind the recorder's back, what a broken one would do.
func TestLinearizabilityIsChecked(t *testing.T) {
	ctx := context.Background()
	f := func(name string, want bool, race func(fix *fixture) Decision) {
		t.Helper()
		fix := newLinearFixture(t)
		r := &recorder{t: t}
		ask := func(in call) { r.do(0, in, func() result { return fix.ask("a", in) }) }
		ask(call{"create", Change{Capacity: ptr(int64(1))}})
		r.do(1, call{op: "take"}, func() result {
			d := race(fix)
			ask(call{op: "take"}) // comes before the first take returns
			return resultOf(d)
		})
		assert.Equal(t, want, r.linearizable(), name)
	}
	f("as it is", true, func(fix *fixture) Decision { return fix.Take("a") })
	f("a take that isn't one step", false, func(fix *fixture) Decision {
		d := fix.Take("a")
		_, err := fix.Patch(ctx, "a", Change{Tokens: ptr(int64(1))}) // The spending is lost.
		require.NoError(t, err)
		return d
	})
	f("a change that doesn't kill", false, func(fix *fixture) Decision {
		d := fix.Take("a")
		_, err := fix.Delete(ctx, "a") // The other take finds another bucket.
		require.NoError(t, err)
		return d
	})
	f("settings of one bucket, tokens of another", false, func(fix *fixture) Decision {
		d := fix.Take("a")
		d.Settings = ptr(fix.Defaults())
		return d
	})
}

// A true history with one false result is refused.
func TestFalsifiedHistoryIsRefused(t *testing.T) {
	f := newLinearFixture(t)
	r := &recorder{t: t}
	capacity := int64(2)
	for _, in := range []call{
		{op: "take"},
		{"put", Change{Capacity: &capacity}},
		{op: "take"},
		{op: "take"},
		{op: "take"},
		{op: "get"},
		{op: "delete"},
		{op: "take"},
		{"create", Change{Capacity: &capacity}},
		{op: "get"},
		{"patch", Change{Tokens: ptr(int64(0))}},
		{op: "take"},
	} {
		r.do(0, in, func() result { return f.ask("a", in) })
	}
	require.True(t, r.linearizable())
	for i, o := range r.history {
		was := o.Output.(result)
		falsified := was
		switch o.Input.(call).op {
		case "take":
			falsified.allowed = !was.allowed
		case "get":
			falsified.tokens++
		case "put":
			falsified.created = !was.created
		default:
			falsified.err = ErrManaged
			if was.err != nil {
				falsified.err = nil
			}
		}
		r.history[i].Output = falsified
		assert.False(t, r.linearizable(), "%+v -> %+v", o.Input, falsified)
		r.history[i].Output = was
	}
}
