package limiter

import (
	"fmt"
	"math"
	"time"

	"gopher-equalizer/limiter/gcra"
)

// rateOf is the rate that a record was stored with. Its bucket gets it, too, if it is managed and
// in no tier.
func (l *loader) rateOf(r Record) *gcra.Rate {
	if defaults := l.table.Defaults(); !r.Managed && defaults.Settings == r.Settings {
		return defaults
	}
	return gcra.NewRate(r.Settings).In(r.Tier)
}

// check returns an error if a record can't be a bucket. Former versions allowed buckets that take
// longer to fill than MaxSpan. The settings of those are cut.
func (l *loader) check(r *Record) (isCut bool, err error) {
	if r.Settings.Capacity >= 1 && r.Settings.Refill.Validate() == nil {
		cut := r.Settings.Cut()
		isCut, r.Settings = cut != r.Settings, cut
	}
	if isCut {
		l.cut++
	}
	if err := r.Settings.Validate(); err != nil {
		return false, fmt.Errorf("client %q: %w", r.ClientID, err)
	}
	if r.Kind != Rate {
		return false, fmt.Errorf("client %q: its tokens come back in a way that this version doesn't know "+
			"(kind %d); upgrade", r.ClientID, r.Kind)
	}
	if n := len(r.ClientID); n > MaxClientID {
		return false, fmt.Errorf("client %q: its client_id has %d bytes, want at most %d", r.ClientID, n, MaxClientID)
	}
	return isCut, nil
}

// account is what a record comes to at wall. If the last run has crashed, or is taken to have, what
// was reserved counts as spent. changed reports whether its settings are others by now.
func (l *loader) account(r Record, wall time.Time, crashed bool) (a account, changed bool) {
	rate := l.rateOf(r)
	a = account{rate: rate, credit: rate.FromTokens(r.Tokens), at: r.At, fills: !r.Managed}
	if crashed {
		a.credit -= rate.Reserved(r.Reserved)
	}
	if !r.Managed || r.Tier != "" {
		a, changed = a.through(l.histories[r.Tier], wall)
	}
	return a.earn(wall), changed
}

// reservesAll reports whether all that a record has may have been spent. Records of a strict writer
// reserve something. If they don't, they are of a time before it was strict. So are others if it
// became strict later: what they reserve is of a time when it was strict before.
func (l *loader) reservesAll(r Record) bool {
	return math.IsInf(r.Reserved, 1) || l.namespace.Strict && (r.Reserved == 0 || r.At.Before(l.unreserved))
}
