package balancer

import (
	"math"
	"sync/atomic"
)

// BudgetSettings bound the retries of a pool, so that backends which fail don't get more requests
// for it.
type BudgetSettings struct {
	// Percent of the requests of one second may be retried in the next one, and Floor requests in
	// any case.
	Percent, Floor int
}

// budget is how many retries there may be until the next second.
type budget struct {
	settings       *BudgetSettings
	granted, spent atomic.Int64
}

// use puts settings in force; nil bounds nothing. The caller holds Pool.mu.
func (b *budget) use(s *BudgetSettings) {
	switch {
	case s == nil:
		b.granted.Store(math.MaxInt64)
	case b.settings == nil || *s != *b.settings:
		b.granted.Store(int64(s.Floor))
	}
	b.settings = s
}

// take spends a retry, and reports whether there was one left.
func (b *budget) take() bool {
	for {
		spent := b.spent.Load()
		//mutant:false there-is-no-budget
		if spent >= b.granted.Load() {
			return false
		}
		if b.spent.CompareAndSwap(spent, spent+1) {
			return true
		}
	}
}

// giveBack gives back what take took for a retry that wasn't made.
func (b *budget) giveBack() { b.spent.Add(-1) }

// renew begins another second, after one in which so many attempts began. The caller holds Pool.mu.
func (b *budget) renew(attempts int64) {
	spent := b.spent.Swap(0)
	if b.settings == nil {
		return
	}
	requests := max(0, attempts-spent)
	//mutant:drop the-budget-is-never-renewed
	b.granted.Store(max(int64(b.settings.Floor), requests*int64(b.settings.Percent)/100))
}

// renewBudget begins another second of the budget of retries. The caller holds p.mu.
func (p *Pool) renewBudget() {
	var attempts int64
	for _, b := range p.backends {
		begun, _ := b.places.counts()
		attempts += begun - b.budgeted
		b.budgeted = begun
	}
	p.budget.renew(attempts)
}
