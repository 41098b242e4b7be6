package limiter

import "github.com/rs/zerolog"

// overflowLog logs that clients share overflow buckets of a limit. It is the reaper's.
type overflowLog struct {
	logged bool
	takes  int64 // when it was last looked
}

// look logs once that max_buckets are reached and clients share buckets, and once that there is
// room again: a tenth of it, since a table at its brim would fill the log.
func (o *overflowLog) look(l *Limit) {
	stats, most := l.table.Stats(), l.o.MaxBuckets
	began := stats.OverflowTakes > o.takes
	o.takes = stats.OverflowTakes
	say := func(e *zerolog.Event) *zerolog.Event {
		return e.Str("limit", l.Name()).Int64("max_buckets", most).Int64("overflow_takes", o.takes)
	}
	switch {
	case !o.logged && began:
		o.logged = true
		say(l.service.o.Logger.Warn()).Msg("max_buckets are reached: clients without a bucket share " +
			"some from now on; raise it if they are no flood")
	case o.logged && !began && stats.Buckets < most-most/10:
		o.logged = false
		say(l.service.o.Logger.Info()).Int64("buckets", stats.Buckets).
			Msg("there is room for new buckets again")
	}
}
