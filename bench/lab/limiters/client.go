//go:build linux

package main

import "unsafe"

// visitor makes client_ids of 16 bytes in a buffer, as requests bring them.
type visitor struct {
	buffer  []byte
	state   uint64
	clients uint64
}

func newVisitor(clients int, seed uint64) *visitor {
	return &visitor{buffer: []byte("client-000000000"), state: seed<<40 + 1, clients: uint64(clients)}
}

// next is one of the clients at random, valid until the next call.
func (v *visitor) next() string {
	v.state = v.state*6364136223846793005 + 1442695040888963407
	return v.client((v.state >> 33) % v.clients)
}

// client is valid until the next call.
func (v *visitor) client(n uint64) string {
	for i := len(v.buffer) - 1; i >= len("client-"); i-- {
		v.buffer[i] = '0' + byte(n%10)
		n /= 10
	}
	return unsafe.String(&v.buffer[0], len(v.buffer))
}
