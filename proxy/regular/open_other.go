//go:build !unix

package regular

// nonblocking has an open not wait for the other side of a pipe, where there are such pipes.
const nonblocking = 0
