package limiter

import (
	"github.com/rs/zerolog"

	"gopher-equalizer/limiter/table"
)

// overflowLog logs that clients share overflow buckets. It is the reaper's.
type overflowLog struct {
	logger zerolog.Logger
	max    int64 // max_buckets
	logged bool
	takes  int64 // when it was last looked
}

// look logs once that max_buckets are reached and clients share buckets, and once that there is
// room again: a tenth of it, since a table at its brim would fill the log.
func (l *overflowLog) look(stats table.Stats) {
	began := stats.OverflowTakes > l.takes
	l.takes = stats.OverflowTakes
	switch {
	case !l.logged && began:
		l.logged = true
		l.logger.Warn().Int64("max_buckets", l.max).Int64("overflow_takes", l.takes).
			Msg("max_buckets are reached: clients without a bucket share some from now on; " +
				"raise it if they are no flood")
	case l.logged && !began && stats.Buckets < l.max-l.max/10:
		l.logged = false
		l.logger.Info().Int64("max_buckets", l.max).Int64("buckets", stats.Buckets).
			Int64("overflow_takes", l.takes).Msg("there is room for new buckets again")
	}
}
