//go:build linux

package measure

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// Peak is the most memory that was resident since ResetPeak, in bytes, summed over the processes.
// Shared memory counts for each.
func (t Tree) Peak() (int64, error) { return t.sum("VmHWM:") }

// Resident is the memory that is resident now, in bytes, summed like Peak.
func (t Tree) Resident() (int64, error) { return t.sum("VmRSS:") }

// ResetPeak restarts the peak from what is resident now. See proc_pid_clear_refs(5).
func (t Tree) ResetPeak() error {
	for _, pid := range t {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
			return err
		}
	}
	return nil
}

func (t Tree) sum(field string) (int64, error) {
	var sum int64
	for _, pid := range t {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return 0, err
		}
		n, err := kilobytes(status, field)
		if err != nil {
			return 0, fmt.Errorf("process %d: %w", pid, err)
		}
		sum += n << 10
	}
	return sum, nil
}

// kilobytes finds a line such as "VmHWM:     1234 kB".
func kilobytes(status []byte, field string) (int64, error) {
	for line := range bytes.Lines(status) {
		if fields := bytes.Fields(line); len(fields) == 3 && string(fields[0]) == field {
			return strconv.ParseInt(string(fields[1]), 10, 64)
		}
	}
	return 0, fmt.Errorf("no line %q in its status", field)
}
