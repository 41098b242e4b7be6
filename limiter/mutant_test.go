//go:build !simulation

package limiter

import (
	"strconv"
	"strings"
)

// names are all mutants that there should be, each with the seed of a world in which the stepped
// simulation catches it, so that it is caught soon. If it isn't any more, the test looks for
// another one, and says which.
func names() map[string]uint64 {
	all := map[string]uint64{}
	for line := range strings.Lines(strings.TrimSpace(known)) {
		name, seed, _ := strings.Cut(strings.TrimSpace(line), " ")
		all[name], _ = strconv.ParseUint(seed, 10, 64)
	}
	return all
}

const known = `
	a-bucket-is-killed-by-a-store 2
	a-bucket-keeps-its-former-numbers 1
	a-bucket-moves-again-after-a-taker-moved-it 1
	a-bucket-that-moved-is-not-written 48
	a-bucket-that-moves-is-clean
	a-bucket-that-moves-loses-its-marks
	a-clock-that-stepped-back-costs-what-was-earned 2
	a-dead-bucket-is-written
	a-full-bucket-is-killed-by-a-store
	a-full-managed-bucket-is-filled-by-a-reload
	a-late-taker-moves-a-bucket-before-its-page-moves 481
	a-cost-above-a-capacity-is-never-cut 2
	a-limit-keeps-its-former-numbers
	a-limit-leaves-before-its-spending-is-stored 292
	a-limit-is-raised-before-its-row-is-stored
	a-limit-is-restored-too-high
	a-lost-race-keeps-what-was-taken
	a-moved-bucket-is-spent-from
	a-new-limit-comes-to-a-bucket-that-takers-have
	a-new-limit-goes-in-doubt 1
	a-page-that-dirty-buckets-move-to-is-not-queued
	a-plan-is-left-where-the-clock-stepped-back 50001530
	a-reaped-bucket-keeps-its-row 30
	a-reload-does-not-cut-the-capacity
	a-reload-is-not-noted
	a-reload-refills-buckets
	a-row-of-a-bucket-that-starts-empty-is-deleted 141
	a-reservation-of-former-numbers-holds 1229
	a-row-reserves-less-than-was-reserved-before-a-reload
	a-start-is-not-noted
	a-taker-spends-under-former-numbers 2
	a-tier-keeps-its-former-numbers
	a-take-is-given-back-to-a-dead-bucket 108
	a-strict-limit-is-changed-before-that-is-noted
	an-admin-write-gives-back-what-was-spent
	an-admin-write-leaves-what-was-spent-meanwhile-clean 2
	an-old-row-is-credited-at-the-old-rate-behind-a-reload
	an-old-row-is-placed-by-the-clock 53
	no-barrier-after-an-ambiguous-commit
	several-are-taken-although-one-refuses
	spending-from-several-is-not-marked 1
	spending-is-not-marked
	the-dirty-bit-is-cleared-after-the-read
	the-page-that-a-split-adds-is-not-locked 388
	what-a-crash-took-is-given-back-by-a-stop
	what-a-round-did-not-come-to-is-not-queued-again
	what-a-settled-write-left-is-not-for-the-last-round 161
	what-failed-is-not-dirty-again 1
	what-is-reserved-is-owed
	what-was-earned-counts-at-the-new-rate 1
	what-was-reserved-before-a-limit-became-strict-counts 184
	what-was-earned-since-is-given-back-too 40
	who-has-no-row-starts-full-after-a-crash
	who-has-no-row-starts-full-after-a-stop-that-follows-a-crash
`
