package balancer

import "math/bits"

// Client is what a pool is told of whom a request is from. The zero Client is nobody.
type Client struct {
	// Holder is a hash of whoever Settings.ClientShare bounds; 0 is nobody.
	Holder uint64
	// Key is what Hash goes by, as KeyOf makes it; 0 is nobody.
	Key uint64
	// Ticket is what Sticky goes by: that of the backend where the client was last.
	Ticket Ticket
}

// KeyOf is the key of a client with that name. It is the same in every process, so proxies that
// share backends agree on where a client goes. It is never 0.
func KeyOf[Name string | []byte](name Name) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211 // FNV-1a
	h := uint64(offset)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * prime
	}
	return max(1, mix(h))
}

// mix spreads what tells two numbers apart over all bits (the end of SplitMix64).
func mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// scale maps a hash to a number below n, each as likely.
func scale(h uint64, n int) int {
	scaled, _ := bits.Mul64(h, uint64(n))
	return int(scaled)
}
