//go:build linux

package main

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench/lab/program"
)

func TestPartOf(t *testing.T) {
	f := func(want part, stack ...string) {
		t.Helper()
		assert.Equal(t, want, partOf(stack))
	}
	f(sending, "tcp_sendmsg", "__x64_sys_sendto", "do_syscall_64", "internal/poll.(*FD).RawWrite", "gopher-equalizer/proxy/netconn.sysTransfer")
	f(receiving, "__x64_sys_recvfrom", "gopher-equalizer/proxy/netconn.x")
	f(waiting, "schedule", "do_epoll_wait", "__x64_sys_epoll_pwait", "runtime.netpoll", "runtime.findRunnable", "runtime.mcall")
	f(threads, "futex_wake", "__x64_sys_futex", "runtime.futexwakeup", "runtime.mcall")
	f(copies, "rep_movs_alternative", "_copy_to_iter", "__x64_sys_recvfrom")
	f(copies, "runtime.memmove", "gopher-equalizer/proxy/h1.x")
	f(log, "rep_movs_alternative", "ext4_write", "ksys_write", "gopher-equalizer/cmd/equalizer/internal/loglines.(*Writer).run")
	f(store, "__x64_sys_fdatasync", "go.etcd.io/bbolt.(*Tx).Commit", "gopher-equalizer/limiter.(*Limiter).flush")
	f(scheduler, "runtime.findRunnable", "runtime.schedule", "runtime.mcall")
	f(codec, "bytes.IndexByte", "gopher-equalizer/proxy/http1.parseField", "gopher-equalizer/proxy.(*Proxy).serve")
	f(choice, "gopher-equalizer/balancer.(*Pool).Pick", "gopher-equalizer/proxy.(*Proxy).serve")
	f(store, "runtime.memmove", "gopher-equalizer/limiter/table.(*slab).read", "gopher-equalizer/limiter.(*Service).Run-fm")
	f(limiter, "gopher-equalizer/limiter/table.(*slab).find", "gopher-equalizer/limiter.Take", "gopher-equalizer/proxy.(*request).charge")
	f(probes, "__x64_sys_connect", "do_syscall_64", "net.(*Dialer).DialContext", "gopher-equalizer/balancer.(*Pool).watch")
	f(sockets, "runtime.netpollblock", "gopher-equalizer/proxy/netconn.(*raw).ask", "gopher-equalizer/proxy/h1.(*Exchange).ask")
	f(sending, "vfs_write", "ksys_write", "do_syscall_64", "main.writeAll")
	f(entering, "asm_sysvec_apic_timer_interrupt", "main.(*pump).move")
	f(rest, "main.(*pump).move", "main.run")
}

// A rule for a package that is gone would count nothing.
func TestRulesAreForPackagesThatExist(t *testing.T) {
	for _, r := range slices.Concat(roots, wholes, own) {
		path, ours := strings.CutPrefix(r.prefix, "gopher-equalizer/")
		if !ours {
			continue
		}
		folder, _, _ := strings.Cut(path, ".")
		assert.DirExists(t, filepath.Join("..", "..", "..", folder), r.prefix)
	}
}

func TestSum(t *testing.T) {
	on, err := sum("\t  ffffffff8 tcp_sendmsg\n\t ffff __x64_sys_sendto\n\t ffff do_syscall_64\n\t 46e main.send\n\n\t 47 runtime.memmove\n\n\t 48 main.x\n\n")
	require.NoError(t, err)
	assert.Equal(t, map[part]int{sending: 1, copies: 1, rest: 1}, on)
	_, err = sum("")
	assert.EqualError(t, err, "perf recorded nothing")
	_, err = sum("\t 47 internal/runtime/syscall/linux.Syscall6\n\t 48 syscall.RawSyscall6\n\t 49 main.send\n")
	assert.ErrorContains(t, err, "nothing of the kernel")
}

func TestTable(t *testing.T) {
	assert.Equal(t, `| CPU, us a request | byte pump | equalizer |
|---|--:|--:|
| system calls that send | 7.5 | 10.0 |
| access log, with its writes | 0.0 | 10.0 |
| the rest, and the pump's own code | 2.5 | 0.0 |
| **all** | **10.0** | **20.0** |
`, table([]spent{
		{"byte pump", 10 * time.Microsecond, map[part]int{sending: 3, rest: 1}},
		{"equalizer", 20 * time.Microsecond, map[part]int{sending: 2, log: 2}},
	}))
}

func TestBadFlags(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		var stdout, stderr bytes.Buffer
		assert.Equal(t, program.ExitUsage, profiler().Run(t.Context(), args, &stdout, &stderr))
		assert.Contains(t, stderr.String(), want)
	}
	f("unexpected --connections 0; want 1 to 512", "--connections", "0")
	f("unexpected --rate -1; want 1 to 20000", "--rate", "-1")
	f("unexpected --time 2h0m0s; want 1s to 1m", "--time", "2h")
	f(`unexpected argument "x"; want flags only`, "x")
	f("-fast", "-fast")
	var stdout, stderr bytes.Buffer
	assert.Zero(t, profiler().Run(t.Context(), []string{"--help"}, &stdout, &stderr))
	assert.Contains(t, stdout.String(), "linux-perf")
}
