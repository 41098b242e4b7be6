//go:build !race

package proxy

const mostAllocs = 0
