//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"gopher-equalizer/bench/load"
	"gopher-equalizer/bench/peers"
	"gopher-equalizer/bench/report"
)

// machine describes what everything ran on.
func machine() []report.Fact {
	facts := []report.Fact{
		{Name: "CPU", Value: fmt.Sprintf("%s, %d threads", field("/proc/cpuinfo", "model name", ":"), runtime.NumCPU())},
		{Name: "memory", Value: field("/proc/meminfo", "MemTotal", ":")},
		{Name: "system", Value: strings.Trim(field("/etc/os-release", "PRETTY_NAME", "="), `"`)},
	}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		facts = append(facts, report.Fact{Name: "kernel", Value: unix.ByteSliceToString(name.Release[:]) + " " + runtime.GOARCH})
	}
	if average, err := os.ReadFile("/proc/loadavg"); err == nil {
		facts = append(facts, report.Fact{Name: "load before", Value: strings.Join(strings.Fields(string(average))[:3], " ")})
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

// versions are those of everything that took part.
func versions(ctx context.Context, found []peers.Peer, wrk *load.Wrk) []report.Fact {
	facts := []report.Fact{{Name: "revision", Value: revision(ctx)}, {Name: "Go", Value: runtime.Version()}}
	for _, p := range found {
		if p.Version != "" && p.Can(load.NoKey) {
			facts = append(facts, report.Fact{Name: p.Name, Value: p.Version})
		}
	}
	if wrk != nil {
		facts = append(facts, report.Fact{Name: "wrk", Value: wrk.Version(ctx)})
	}
	return append(facts, report.Fact{Name: "vegeta", Value: load.VegetaVersion()})
}

// revision is git's name for what is being measured.
func revision(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
