package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The README's tour of changes works as it is written there: a limit is changed, and a backend
// drained, added and taken back in. The load that the README has its reader run goes on meanwhile,
// and loses nothing. Only addresses and times differ. The commands find the process by the file.
func TestTourOfChanges(t *testing.T) {
	const heading = "## Changing it while it runs"
	demo := spawn(t, "demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--store", "memory")
	_, admin := demo.logs.awaitDemo(t)
	ports := demoPorts(t, demo, admin)
	for _, one := range ports { // Commands name a backend without its scheme, too.
		ports = append(ports, strings.TrimPrefix(one, "http://"))
	}
	dir := t.TempDir()
	site := regexp.MustCompile("(?s)```toml\n(.*?)```").FindStringSubmatch(section(t, "## A site with routes"))
	require.NotNil(t, site)
	own := append(slices.Clone(ports), ":9000", ":0", "127.0.0.1:9080", "unix://"+filepath.Join(dir, "admin.sock"))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "site.toml"), []byte(strings.NewReplacer(own...).Replace(site[1])), 0o600))
	p := spawnAs(t, binary, func(cmd *exec.Cmd) { cmd.Dir = dir }, "-c", "site.toml")
	replace := strings.NewReplacer(append(ports, "localhost:9000", local(p.logs.await(t, "ready")["proxy"].(string)))...)

	all := steps(t, heading)
	lift, rest := all[:1], all[1:]
	run := func(some []step) { runStepsIn(t, dir, some, replace) }
	run(lift)
	load := startBench(t, heading, dir, replace)
	run(rest)
	load.lostNothing(t)
	p.stop()
	demo.stop()
}

// benchLoad is a run of `equalizer bench`.
type benchLoad struct {
	cmd    *exec.Cmd
	report strings.Builder
}

// startBench runs the load of a section.
func startBench(t *testing.T, heading, dir string, ports *strings.Replacer) *benchLoad {
	t.Helper()
	command := regexp.MustCompile("(?s)```sh\n(equalizer bench .*?)\n```").FindStringSubmatch(section(t, heading))
	require.NotNil(t, command)
	l := &benchLoad{cmd: exec.Command("sh", "-c", "exec "+ports.Replace(command[1])+" --json")}
	l.cmd.Dir, l.cmd.Env = dir, append(os.Environ(), withTools(t))
	l.cmd.Stdout, l.cmd.Stderr = &l.report, os.Stderr
	require.NoError(t, l.cmd.Start())
	t.Cleanup(func() { _ = l.cmd.Process.Kill() }) // It has ended, unless the test failed.
	return l
}

// lostNothing ends the load, none of whose requests may have failed.
func (l *benchLoad) lostNothing(t *testing.T) {
	t.Helper()
	require.NoError(t, l.cmd.Process.Signal(os.Interrupt))
	require.NoError(t, l.cmd.Wait())
	var report struct {
		Direct struct {
			Failures  int
			Responses map[int]int
			Errors    map[string]int
		}
	}
	require.NoError(t, json.Unmarshal([]byte(l.report.String()), &report), l.report.String())
	is := report.Direct
	assert.Zero(t, is.Failures, "%v", is.Errors)
	assert.Len(t, is.Responses, 1, "%v", is.Responses)
	assert.Greater(t, is.Responses[200], 20, "there was a load")
}
