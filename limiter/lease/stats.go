package lease

import "time"

// Stats are what a replica says of itself. Counts are since the process began.
type Stats struct {
	// Replica is its name.
	Replica string
	// Alive is how many replicas the ledger knew of in the last round, this one included.
	Alive int
	// CutOff reports whether it may not spend what it holds, as no round has succeeded for a TTL.
	CutOff bool
	// Until is how much longer it may spend if no further round succeeds; 0 if it is cut off.
	Until time.Duration
	// Rounds are those that succeeded, FailedRounds those that didn't, and LateRounds those of both
	// that ended behind the time at which the next one was due.
	Rounds, FailedRounds, LateRounds int64
	// Expulsions is how often others declared it dead, and it joined anew.
	Expulsions int64
	// Held is how many tokens it holds, and Leases of how many buckets.
	Held   int64
	Leases int64
	// Waits is how many requests waited for the ledger, and WaitsInVain how many of them got no
	// answer in time.
	Waits, WaitsInVain int64
}
