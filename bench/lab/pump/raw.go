//go:build linux

package main

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls of the inner loop are raw, without Go's scheduler. With one thread nothing else could
// run meanwhile, and at low rates involving the scheduler costs more than the calls themselves. The
// runtime's own signals still interrupt them.

// wait waits for events and returns how many there are.
func wait(epoll int, events []unix.EpollEvent) (int, unix.Errno) {
	n, _, err := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(&events[0])),
		uintptr(len(events)), ^uintptr(0), 0, 0) // no time-out, no mask
	if err != 0 {
		return 0, err
	}
	return int(n), 0
}

// move is read(2) or write(2) on a socket that doesn't block. The data isn't empty.
func move(call uintptr, fd int, data []byte) (int, unix.Errno) {
	n, _, err := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&data[0])), uintptr(len(data)))
	if err != 0 {
		return 0, err
	}
	return int(n), 0
}
