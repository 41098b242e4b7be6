//go:build linux

package measure

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// processClock is CPUCLOCK_SCHED of the kernel's include/linux/posix-timers.h: the scheduler's
// count for a process as a whole.
const processClock = 2

// CPU is the CPU time of the processes since they started, in user and kernel mode, of all threads,
// including those that have ended.
//
// It reads each process's CPU-time clock (clock_getcpuclockid(3)), the scheduler's own sum in
// nanoseconds, brought up to date for threads that are running. /proc/PID/stat has the same sum
// in ticks of 10 ms, /proc/PID/schedstat the main thread's alone, and a cgroup's cpu.stat would
// need the right to make one.
func (t Tree) CPU() (time.Duration, error) {
	var sum time.Duration
	for _, pid := range t {
		var at unix.Timespec
		if err := unix.ClockGettime(int32(^pid<<3|processClock), &at); err != nil {
			return 0, fmt.Errorf("CPU time of process %d: %w", pid, err)
		}
		sum += time.Duration(at.Nano())
	}
	return sum, nil
}
