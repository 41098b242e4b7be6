// Package machine describes the machine that a result was measured on, and the revision that was
// measured.
package machine

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Fact is a property of the machine.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Facts describes this machine, and how busy it is now. Facts that the system doesn't tell are
// "unknown".
func Facts() []Fact {
	facts := []Fact{
		{Name: "CPU", Value: fmt.Sprintf("%s, %d threads", field("/proc/cpuinfo", "model name", ":"), runtime.NumCPU())},
		{Name: "memory", Value: field("/proc/meminfo", "MemTotal", ":")},
		{Name: "system", Value: strings.Trim(field("/etc/os-release", "PRETTY_NAME", "="), `"`)},
	}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		facts = append(facts, Fact{Name: "kernel", Value: unix.ByteSliceToString(name.Release[:]) + " " + runtime.GOARCH})
	}
	if average, err := os.ReadFile("/proc/loadavg"); err == nil {
		facts = append(facts, Fact{Name: "load before", Value: strings.Join(strings.Fields(string(average))[:3], " ")})
	}
	return facts
}

// field is the first value of that name in a file of names and values.
func field(path, name, separator string) string {
	file, err := os.Open(path)
	if err != nil {
		return "unknown"
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), separator); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// Revision is git's name for the working tree; "unknown" outside of one.
func Revision(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
