package limiter

// overflowNews notes whether it was logged that clients share overflow buckets. It is the reaper's.
type overflowNews struct {
	told  bool
	takes int64 // when it was last looked
}

// tell logs once that max_buckets are reached and clients have begun to share, and once that there is room again: a
// tenth of it, or else a table at its brim would fill the log.
func (n *overflowNews) tell(s *Service) {
	takes, buckets := s.table.overflowTakes.Load(), s.table.count.Load()
	began := takes > n.takes
	n.takes = takes
	switch {
	case !n.told && began:
		n.told = true
		s.log.Warn().Int64("max_buckets", s.o.MaxBuckets).Int64("overflow_takes", takes).
			Msg("max_buckets are reached: clients without a bucket share some from now on; raise it if they are no flood")
	case n.told && !began && buckets < s.o.MaxBuckets-s.o.MaxBuckets/10:
		n.told = false
		s.log.Info().Int64("max_buckets", s.o.MaxBuckets).Int64("buckets", buckets).Int64("overflow_takes", takes).
			Msg("there is room for new buckets again")
	}
}
