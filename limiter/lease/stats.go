package lease

import "time"

// Stats is what a replica is doing.
type Stats struct {
	// Replica is the replica's name, Alive how many there were at its last round.
	Replica string
	Alive   int
	// CutOff reports whether it may not spend what it holds. Until is for how long it may.
	CutOff bool
	Until  time.Duration
	// Rounds counts those that succeeded, FailedRounds those that didn't. LateRounds counts those
	// of the former that ended more than an interval after they were due. Expulsions counts how
	// often others have given the replica up.
	Rounds, FailedRounds, LateRounds, Expulsions int64
	// Held is how many tokens it held after the last round, of so many clients as Leases.
	Held, Leases int64
	// Waits counts takes that waited for the ledger, WaitsInVain those of them that got no
	// reply in time.
	Waits, WaitsInVain int64
}
