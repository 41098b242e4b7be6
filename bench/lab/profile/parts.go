//go:build linux

package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// part is what a sample is counted as.
type part string

// The parts, in the table's order.
const (
	sending   part = "system calls that send"
	receiving part = "system calls that receive"
	waiting   part = "system calls that wait for events"
	threads   part = "system calls that wake threads or let them sleep"
	entering  part = "entering and leaving the kernel, interrupts"
	copies    part = "copies, except those of limits, log and store"
	scheduler part = "Go's scheduler"
	collector part = "garbage collection"
	codec     part = "HTTP: read, checked, rewritten, framed"
	sockets   part = "sockets outside the kernel"
	choice    part = "route and backend, pools of connections, counters"
	limiter   part = "limits, with the hash of the client"
	probes    part = "probes of backends"
	log       part = "access log, with its writes"
	store     part = "flushes and the store, with its writes"
	rest      part = "the rest, and the pump's own code"
)

func parts() []part {
	return []part{
		sending, receiving, waiting, threads, entering, copies, scheduler, collector, sockets, codec, choice, limiter, probes, log, store, rest,
	}
}

// rule counts the functions whose names have a prefix as a part.
type rule struct {
	prefix string
	part   part
}

// roots count all that runs below them, before any other rule.
var roots = []rule{
	{"gopher-equalizer/balancer.(*Pool).watch", probes},
	{"gopher-equalizer/limiter.(*Service).Run", store},
	{"gopher-equalizer/limiter.(*backlog)", store},
	{"gopher-equalizer/limiter/table.(*Backlog)", store},
	{"runtime.netpollBreak", threads},
	{"gopher-equalizer/cmd/equalizer/internal/loglines.(*Writer).run", log},
	{"runtime.gcBgMarkWorker", collector},
	{"runtime.bgsweep", collector},
	{"runtime.bgscavenge", collector},
	{"runtime.sysmon", threads},
}

// calls are the kernel's functions of system calls, on x86-64.
var calls = []rule{
	{"__x64_sys_send", sending},
	{"ksys_write", sending}, // files of the log and the store are theirs
	{"__x64_sys_recv", receiving},
	{"ksys_read", receiving},
	{"__x64_sys_epoll_", waiting},
	{"__x64_sys_futex", threads},
	{"__x64_sys_nanosleep", threads},
	{"__x64_sys_sched_yield", threads},
	{"__x64_sys_tgkill", threads},
	{kernelEntry, entering},
	{"entry_SYSCALL_64", entering},
	{"asm_sysvec_", entering},
	{"asm_exc_", entering},
}

// kernelEntry is in each stack that came into the kernel by a system call.
const kernelEntry = "do_syscall_64"

// copying are functions that only copy.
var copying = []rule{
	{"runtime.memmove", copies},
	{"rep_movs_", copies},
	{"copy_user_", copies},
	{"_copy_to_iter", copies},
	{"_copy_from_iter", copies},
	{"memcpy", copies},
}

// wholes come before what the kernel does for them. The innermost one of a stack counts.
var wholes = []rule{
	{"gopher-equalizer/proxy/outcome.(*Log)", log},
	{"gopher-equalizer/cmd/equalizer/internal/loglines", log},
	{"github.com/rs/zerolog", log},
	{"gopher-equalizer/store", store},
	{"go.etcd.io/bbolt", store},
	{"gopher-equalizer/limiter", limiter},
	{"gopher-equalizer/proxy/identity", limiter},
	{"runtime.gc", collector},
}

// own are the rest of this proxy's functions.
var own = []rule{
	{"gopher-equalizer/proxy/http1", codec},
	{"gopher-equalizer/proxy/h1", codec},
	{"gopher-equalizer/proxy/h2", codec},
	{"gopher-equalizer/proxy/rewrite", codec},
	{"gopher-equalizer/proxy/netconn", sockets},
	{"gopher-equalizer/", choice},
	{"internal/runtime/syscall", entering},
	{"runtime.mcall", scheduler},
	{"runtime.mstart", scheduler},
	{"runtime.schedule", scheduler},
}

// partOf is the part that a stack is counted as. The innermost function comes first in it.
func partOf(stack []string) part {
	return cmp.Or(first(stack, roots), first(stack, wholes), first(stack[:1], copying), first(stack, calls), first(stack, own), rest)
}

// first is the part of the innermost function that has a rule; "" if none has.
func first(stack []string, rules []rule) part {
	for _, name := range stack {
		for _, r := range rules {
			if strings.HasPrefix(name, r.prefix) {
				return r.part
			}
		}
	}
	return ""
}

// sum counts the samples by part. It reads what perf script -F ip,sym prints: for each sample a
// line with an address and a name for each function, the innermost first, and then an empty line.
func sum(script string) (map[part]int, error) {
	counts := map[part]int{}
	kernel := false
	for sample := range strings.SplitSeq(script, "\n\n") {
		var stack []string
		for line := range strings.Lines(sample) {
			if _, name, found := strings.Cut(strings.TrimSpace(line), " "); found {
				stack = append(stack, name)
			}
		}
		if len(stack) > 0 {
			counts[partOf(stack)]++
			kernel = kernel || slices.Contains(stack, kernelEntry)
		}
	}
	switch {
	case len(counts) == 0:
		return nil, errors.New("perf recorded nothing")
	case !kernel:
		return nil, errors.New("perf recorded nothing of the kernel; that takes root, or kernel.perf_event_paranoid = -1 and kernel.kptr_restrict = 0")
	}
	return counts, nil
}

// spent is what a proxy's CPU time is spent on.
type spent struct {
	proxy   string
	request time.Duration // of CPU
	on      map[part]int  // samples
}

// of is a part's share of a request, in microseconds.
func (s spent) of(p part) float64 {
	total := 0
	for _, n := range s.on {
		total += n
	}
	return float64(s.request) / float64(time.Microsecond) * float64(s.on[p]) / float64(total)
}

// table is Markdown. A part that nobody has is left out.
func table(all []spent) string {
	var b strings.Builder
	b.WriteString("| CPU, us a request |")
	for _, s := range all {
		b.WriteString(" " + s.proxy + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat("--:|", len(all)) + "\n")
	for _, p := range parts() {
		if !slices.ContainsFunc(all, func(s spent) bool { return s.on[p] > 0 }) {
			continue
		}
		b.WriteString("| " + string(p) + " |")
		for _, s := range all {
			fmt.Fprintf(&b, " %.1f |", s.of(p))
		}
		b.WriteString("\n")
	}
	b.WriteString("| **all** |")
	for _, s := range all {
		fmt.Fprintf(&b, " **%.1f** |", float64(s.request)/float64(time.Microsecond))
	}
	b.WriteString("\n")
	return b.String()
}
