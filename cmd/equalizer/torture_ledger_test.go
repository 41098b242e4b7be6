package main

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// grain is by how much two computations of the same tokens may differ.
const grain = 0.01

// level is how many tokens a bucket had at a moment, at most or at least.
type level struct {
	tokens float64
	at     time.Time
}

// account is what can be known about a client's bucket from outside: bounds of what it holds, by
// the times of its requests and their responses. One goroutine at a time sends a client's requests.
type account struct {
	capacity, rate float64 // tokens, and tokens a second
	// slack is what the flush needn't store: tokens that are back within a flush interval.
	slack float64
	// strict is true if a crash gives nothing back and may take all there is, and if a client may
	// be refused before it has spent everything.
	strict bool

	mu          sync.Mutex
	most, least level
	stored      level // the most that a restart may find
}

// newAccount is the account of a full bucket.
func newAccount(capacity, rate float64, slack time.Duration, now time.Time) *account {
	full := level{capacity, now}
	return &account{capacity: capacity, rate: rate, slack: rate * slack.Seconds(), most: full, least: full, stored: full}
}

// when is the level at a later moment, if nothing is spent.
func (a *account) when(l level, at time.Time) float64 {
	return min(a.capacity, l.tokens+a.rate*max(0, at.Sub(l.at).Seconds()))
}

// admitted notes a request that was let through. Its token was spent at some time in between. The
// bucket holds most if that was at once, and least if it was at the end.
func (a *account) admitted(sent, received time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if has := a.when(a.most, received); has < 1-grain {
		return fmt.Errorf("admitted with %.3f tokens at most", has)
	}
	a.most = level{a.when(a.most, sent) - 1, sent}
	a.least = level{max(0, a.when(a.least, received)-1), received}
	return nil
}

// refused notes a request that got a 429: at some time in between the bucket held less than a
// token.
func (a *account) refused(sent, received time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.strict {
		return nil
	}
	if has := a.when(a.least, sent); has >= 1+grain {
		return fmt.Errorf("refused with %.3f tokens at least", has)
	}
	if a.when(a.most, received) > a.when(level{1, sent}, received) {
		a.most = level{1, sent}
	}
	return nil
}

// unanswered notes a request that may or may not have spent a token.
func (a *account) unanswered(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.least = level{max(0, a.when(a.least, now)-1), now}
}

// finding is what a bucket was seen to hold after a restart: whole tokens, rounded down.
type finding struct {
	tokens         float64
	sent, received time.Time // of the question
}

// found checks what a restart found against the bounds, and goes on from there. regained is what
// the crash certainly gave back.
func (a *account) found(f finding) (regained, bound float64, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	live := a.when(a.most, f.received)
	limit := min(a.capacity, a.when(a.stored, f.received)+a.slack)
	if a.strict {
		limit, a.least = live, level{0, f.sent}
	}
	regained, bound = max(0, f.tokens-live), max(0, limit-live)
	switch least := a.when(a.least, f.sent); {
	case f.tokens > limit+grain:
		err = fmt.Errorf("%.0f tokens after the restart; want %.3f at most, and without the crash there were %.3f at most", f.tokens, limit, live)
	case f.tokens+1 <= least-grain:
		err = fmt.Errorf("%.0f tokens after the restart; want %.3f at least", f.tokens, least)
	}
	a.most = level{limit, f.received}
	if whole := (level{min(a.capacity, f.tokens+1), f.sent}); a.when(whole, f.received) < limit {
		a.most = whole
	}
	a.least, a.stored = level{f.tokens, f.received}, a.most
	return regained, bound, err
}

// accounts are a client's, by the names of the limits.
type accounts map[string]*account

// admitted notes a request that was let through, and so by each limit.
func (all accounts) admitted(sent, received time.Time) error {
	for limit, a := range all {
		if err := a.admitted(sent, received); err != nil {
			return fmt.Errorf("limit %s: %w", limit, err)
		}
	}
	return nil
}

// refused notes a request that some limits refused, and that no other one was charged for.
func (all accounts) refused(by []string, sent, received time.Time) error {
	if len(by) == 0 {
		return errors.New("refused by no limit")
	}
	for _, limit := range by {
		a, known := all[limit]
		if !known {
			return fmt.Errorf("refused by limit %q, which there isn't", limit)
		}
		if err := a.refused(sent, received); err != nil {
			return fmt.Errorf("limit %s: %w", limit, err)
		}
	}
	return nil
}

// unanswered notes a request that may or may not have spent a token of each.
func (all accounts) unanswered(now time.Time) {
	for _, a := range all {
		a.unanswered(now)
	}
}

// ledger has the accounts of all clients.
type ledger struct {
	mu      sync.Mutex
	clients map[string]accounts
}

func newLedger() *ledger { return &ledger{clients: map[string]accounts{}} }

func (l *ledger) add(clientID string, all accounts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clients[clientID] = all
}

func (l *ledger) of(clientID string) accounts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.clients[clientID]
}

// forget drops all but the clients that workers keep.
func (l *ledger) forget(workers []*worker) {
	l.mu.Lock()
	defer l.mu.Unlock()
	clients := map[string]accounts{}
	for _, w := range workers {
		for _, id := range w.kept {
			clients[id] = l.clients[id]
		}
	}
	l.clients = clients
}

// mark is what the buckets held at most at a moment.
type mark map[*account]level

func (l *ledger) mark() mark {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := mark{}
	for _, all := range l.clients {
		for _, a := range all {
			a.mu.Lock()
			m[a] = a.most
			a.mu.Unlock()
		}
	}
	return m
}

// store notes that all that was spent before a mark is stored.
func (m mark) store() {
	for a, l := range m {
		a.mu.Lock()
		a.stored = l
		a.mu.Unlock()
	}
}

// The ledger finds the faults that it is for, and no others.
func TestLedger(t *testing.T) {
	start := time.Now()
	at := func(seconds float64) time.Time {
		return start.Add(time.Duration(math.Round(seconds * float64(time.Second))))
	}
	spend := func(a *account, n int) {
		for range n {
			assert.NoError(t, a.admitted(at(0), at(0)))
		}
	}
	after := func(spent, unstored int, slack time.Duration, seconds, tokens float64) (regained float64, err error) {
		l := newLedger()
		a := newAccount(10, 1, slack, at(0))
		l.add("a", accounts{"default": a})
		spend(a, spent)
		l.mark().store()
		spend(a, unstored)
		regained, _, err = a.found(finding{tokens, at(seconds), at(seconds)})
		return regained, err
	}
	f := func(spent, unstored int, slack time.Duration, seconds, tokens, wantRegained float64, want string) {
		t.Helper()
		regained, err := after(spent, unstored, slack, seconds, tokens)
		assert.InDelta(t, wantRegained, regained, grain)
		if want == "" {
			assert.NoError(t, err)
			return
		}
		assert.ErrorContains(t, err, want)
	}
	f(5, 3, 0, 0, 2, 0, "")
	f(5, 3, 0, 0, 5, 3, "")
	f(5, 3, 0, 0, 6, 4, "want 5.000 at most")
	f(5, 3, 0, 0, 0, 0, "want 2.000 at least")
	f(5, 3, 0, 2, 7, 3, "")
	f(5, 3, 0, 2, 8, 4, "want 7.000 at most")
	f(5, 3, 2*time.Second, 2, 9, 5, "")
	f(5, 3, 2*time.Second, 2, 10, 6, "want 9.000 at most")
	f(0, 0, time.Hour, 0, 10, 0, "")

	a := newAccount(10, 1, time.Second, at(0))
	a.strict = true
	spend(a, 8)
	assert.NoError(t, a.refused(at(0), at(0)), "strict: it has to wait for a flush")
	_, _, err := a.found(finding{3, at(1), at(1)})
	assert.NoError(t, err)
	_, _, err = a.found(finding{4, at(1), at(1)})
	assert.ErrorContains(t, err, "want 3.000 at most")
	_, _, err = a.found(finding{0, at(1), at(1)})
	assert.NoError(t, err)

	a = newAccount(2, 1, 0, at(0))
	spend(a, 2)
	assert.ErrorContains(t, a.admitted(at(0.1), at(0.9)), "admitted with 0.900 tokens at most")
	assert.NoError(t, a.refused(at(0.1), at(5)))
	assert.NoError(t, a.admitted(at(0.1), at(1)))
	a = newAccount(2, 1, 0, at(0))
	assert.ErrorContains(t, a.refused(at(0), at(0)), "refused with 2.000 tokens at least")
	a.unanswered(at(0))
	assert.ErrorContains(t, a.refused(at(0.5), at(1)), "refused with 1.500 tokens at least")
	a.unanswered(at(0.5))
	assert.NoError(t, a.refused(at(0.5), at(1)))
	assert.InDelta(t, 1.5, a.when(a.most, at(1)), grain, "a refusal tells that there was less than a token")
}

// A request is in the accounts of all limits, and a refusal in those of the limits that refused.
func TestLedgerOfSeveralLimits(t *testing.T) {
	now := time.Now()
	all := accounts{"a": newAccount(3, 0, 0, now), "b": newAccount(1, 0, 0, now)}
	assert.NoError(t, all.admitted(now, now))
	assert.NoError(t, all.refused([]string{"b"}, now, now))
	assert.ErrorContains(t, all.refused([]string{"b", "a"}, now, now), "limit a: refused with 2.000 tokens at least")
	assert.ErrorContains(t, all.refused(nil, now, now), "by no limit")
	assert.ErrorContains(t, all.refused([]string{"c"}, now, now), "which there isn't")
	assert.ErrorContains(t, all.admitted(now, now), "limit b: admitted with 0.000 tokens at most")
	all.unanswered(now)
	assert.NoError(t, all.refused([]string{"a"}, now, now))
}
