package table

import (
	"hash/maphash"
	"math/bits"
	"math/rand/v2"
)

// hasher turns client_ids into hashes that clients can't foresee: each table has keys of its own.
// Short client_ids, such as addresses, are hashed by two multiplications (the steps of wyhash),
// which cost half of what maphash does.
type hasher struct {
	low, high, last uint64
	seed            maphash.Seed
}

func newHasher() hasher {
	return hasher{rand.Uint64(), rand.Uint64(), rand.Uint64() | 1, maphash.MakeSeed()}
}

// hash depends, in each of its bits, on all of id.
func (h *hasher) hash(id string) uint64 {
	n := len(id)
	if n < 8 || n > 16 {
		return maphash.String(h.seed, id)
	}
	first, last := ends(bytesOf(id), n)
	return fold(fold(first^h.low, last^h.high)^uint64(n), h.last)
}

// fold mixes two words into one.
func fold(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return high ^ low
}
