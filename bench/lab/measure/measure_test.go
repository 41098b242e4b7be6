//go:build linux

package measure

import (
	"bufio"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench/lab/child"
)

// shell runs a script that prints one line once it is under way.
func shell(t *testing.T, script string) (*child.Process, Tree) {
	t.Helper()
	p, err := child.Start(child.Program{Path: "/bin/sh", Args: []string{"-c", script}, Dir: t.TempDir(), Hello: func(r io.Reader) error {
		_, err := bufio.NewReader(r).ReadString('\n')
		return err
	}})
	require.NoError(t, err)
	t.Cleanup(p.Stop)
	tree, err := TreeOf(p.PID())
	require.NoError(t, err)
	return p, tree
}

func TestTheTreeHasGrandchildren(t *testing.T) {
	p, tree := shell(t, "sh -c 'sleep 60 & echo; wait' & wait")
	assert.Len(t, tree, 3)
	assert.Equal(t, p.PID(), tree[0])
}

func TestTheTreeOfAProcessThatEnded(t *testing.T) {
	p, tree := shell(t, "echo; sleep 60")
	p.Stop()
	_, err := TreeOf(p.PID())
	assert.Error(t, err)
	_, err = tree.CPU()
	assert.Error(t, err)
	_, err = tree.Resident()
	assert.Error(t, err)
	assert.Error(t, tree.ResetPeak())
}

func TestCPUIsThatOfAllThreads(t *testing.T) {
	us := Tree{os.Getpid()}
	before, err := us.CPU()
	require.NoError(t, err)
	own := spin(t, 20*time.Millisecond)
	after, err := us.CPU()
	require.NoError(t, err)
	assert.GreaterOrEqual(t, after-before, own)
	assert.Less(t, after-before, own+10*time.Second)
}

// spin uses that much CPU on a thread of its own, and returns how much it was.
func spin(t *testing.T, d time.Duration) time.Duration {
	t.Helper()
	burnt := make(chan time.Duration)
	go func() {
		runtime.LockOSThread() // so that it ends with the goroutine: the time of ended threads counts, too
		start := threadTime()
		for threadTime()-start < d {
		}
		burnt <- threadTime() - start
	}()
	return <-burnt
}

func TestPeakStartsOver(t *testing.T) {
	us := Tree{os.Getpid()}
	large := make([]byte, 64<<20)
	for i := 0; i < len(large); i += 4096 {
		large[i] = 1
	}
	before, err := us.Peak()
	require.NoError(t, err)
	assert.Greater(t, before, int64(64<<20))
	runtime.KeepAlive(large)

	debug.FreeOSMemory()
	require.NoError(t, us.ResetPeak())
	after, err := us.Peak()
	require.NoError(t, err)
	assert.Less(t, after, before-32<<20)
	resident, err := us.Resident()
	require.NoError(t, err)
	assert.Positive(t, resident)
}

func TestAStatusWithoutTheField(t *testing.T) {
	_, err := kilobytes([]byte("Name:\tx\nVmRSS:\t12 kB\n"), "VmHWM:")
	assert.ErrorContains(t, err, `no line "VmHWM:"`)
	n, err := kilobytes([]byte("Name:\tx\nVmRSS:\t12 kB\n"), "VmRSS:")
	assert.NoError(t, err)
	assert.Equal(t, int64(12), n)
}

func TestStracesTotal(t *testing.T) {
	n, err := total([]byte("syscall   calls\n------- -------\nread        195\ntotal       292\n"))
	require.NoError(t, err)
	assert.Equal(t, int64(292), n)
	_, err = total([]byte("strace: no such process\n"))
	assert.Error(t, err)
}

func TestAttachedToAll(t *testing.T) {
	log := t.TempDir() + "/log"
	f := func(text string, processes int, ok bool) {
		t.Helper()
		require.NoError(t, os.WriteFile(log, []byte(text), 0o600))
		assert.Equal(t, ok, attached(log, processes) == nil)
	}
	f("", 1, false)
	f("strace: Process 1 attached\n", 1, true)
	f("strace: Process 1 attached\n", 2, false)
	f("strace: Process 1 attached with 5 threads\nstrace: Process 2 attached\n", 2, true)
	assert.Error(t, attached(log+"s", 1))
}

// threadTime is the CPU time of the calling thread.
func threadTime() time.Duration {
	text, err := os.ReadFile("/proc/thread-self/schedstat")
	if err != nil {
		panic(err)
	}
	n, err := strconv.ParseInt(strings.Fields(string(text))[0], 10, 64)
	if err != nil {
		panic(err)
	}
	return time.Duration(n)
}
