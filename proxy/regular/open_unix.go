//go:build unix

package regular

import "syscall"

// nonblocking has an open not wait for the other side of a pipe.
const nonblocking = syscall.O_NONBLOCK
