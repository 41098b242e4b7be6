//go:build linux

package child

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func shell(t *testing.T, script string, hello func(io.Reader) error) (*Process, error) {
	t.Helper()
	return Start(Program{Path: "/bin/sh", Args: []string{"-c", script}, Dir: t.TempDir(), Env: []string{"GREETING=hi"}, Hello: hello})
}

// number reads a process id from a program's first line.
func number(n *int) func(io.Reader) error {
	return func(r io.Reader) error {
		line, err := bufio.NewReader(r).ReadString('\n')
		if err != nil {
			return err
		}
		*n, err = strconv.Atoi(strings.TrimSpace(line))
		return err
	}
}

// gone awaits the end of a process that isn't our child.
func gone(t *testing.T, pid int) {
	t.Helper()
	require.Eventually(t, func() bool {
		status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		return err != nil || strings.Contains(string(status), ") Z ")
	}, 5*time.Second, time.Millisecond)
}

func TestStopEndsAllThatTheProgramStarted(t *testing.T) {
	var grandchild int
	p, err := shell(t, "sleep 60 & echo $!; wait", number(&grandchild))
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(grandchild, 0))
	assert.False(t, p.Ended())
	p.Stop()
	assert.True(t, p.Ended())
	gone(t, grandchild)
	p.Stop() // a second Stop does nothing
}

func TestStopKillsWhatDoesNotListen(t *testing.T) {
	var pid int
	p, err := shell(t, "trap '' TERM; echo $$; while :; do sleep 60; done", number(&pid))
	require.NoError(t, err)
	assert.Equal(t, p.PID(), pid)
	p.Stop()
	assert.True(t, p.Ended())
}

func TestAwait(t *testing.T) {
	p, err := shell(t, "sleep 60", nil)
	require.NoError(t, err)
	defer p.Stop()
	tries := 0
	require.NoError(t, p.Await(t.Context(), func() error {
		if tries++; tries < 3 {
			return errors.New("not yet")
		}
		return nil
	}))
	assert.Equal(t, 3, tries)
}

func TestAwaitTellsWhyAProgramEnded(t *testing.T) {
	f := func(script, want string) {
		t.Helper()
		p, err := shell(t, script, nil)
		require.NoError(t, err)
		assert.EqualError(t, p.Await(t.Context(), func() error { return errors.New("never") }), want)
		p.Stop()
	}
	f("exit 1", "sh ended: it said nothing")
	f("echo no such $GREETING >&2; exit 1", "sh ended: no such hi")
	f("echo version; echo; echo line 7: what; echo an error; echo; echo the end", "sh ended: line 7: what | an error | the end")
}

func TestAProgramThatSaysNoHello(t *testing.T) {
	_, err := shell(t, "echo what >&2", number(new(int)))
	assert.ErrorIs(t, err, io.EOF)
	assert.ErrorContains(t, err, "what")
}

func TestAProgramThatIsNotThere(t *testing.T) {
	p, err := Start(Program{Path: "/nowhere/at/all", Dir: t.TempDir()})
	assert.ErrorContains(t, err, "/nowhere/at/all")
	assert.Nil(t, p)
}

// TestFreeAddressesAreNobodyElses: a server that asks for any port doesn't get one of them.
func TestFreeAddressesAreNobodyElses(t *testing.T) {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	require.NoError(t, err)
	firstGiven, err := strconv.Atoi(strings.Fields(string(text))[0])
	require.NoError(t, err)
	addresses, err := FreeAddresses(50)
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, address := range addresses {
		_, port, err := net.SplitHostPort(address)
		require.NoError(t, err)
		n, err := strconv.Atoi(port)
		require.NoError(t, err)
		assert.Less(t, n, firstGiven)
		assert.False(t, seen[port], port)
		seen[port] = true
	}
}
