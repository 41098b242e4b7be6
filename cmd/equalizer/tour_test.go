package main

import (
	"context"
	"net"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The README's tours work as they are written there, one after the other. A shell runs every
// command of a console block against a running demo, and it must print what the README shows. Only
// ports, times and seconds differ.
func TestTourOfTheReadme(t *testing.T) {
	store := t.TempDir() + "/demo.db"
	tour(t, "## A tour with curl", store)
	tour(t, "### With a token", store, exports(t, "### With a token")...)
}

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	return string(text)
}

// section is the README from a heading to the next one.
func section(t *testing.T, heading string) string {
	t.Helper()
	_, text, found := strings.Cut(readme(t), heading+"\n")
	require.True(t, found, "no section %q in the README", heading)
	if next := regexp.MustCompile(`(?m)^##+ `).FindStringIndex(text); next != nil {
		text = text[:next[0]]
	}
	return text
}

// exports are the variables that a section has its reader export.
func exports(t *testing.T, heading string) (env []string) {
	t.Helper()
	for _, found := range regexp.MustCompile(`(?m)^export (\S+)$`).FindAllStringSubmatch(section(t, heading), -1) {
		env = append(env, found[1])
	}
	return env
}

// step is one command of a console block, and what it prints.
type step struct{ command, output string }

// steps are the commands of the console blocks of one section.
func steps(t *testing.T, heading string) []step {
	t.Helper()
	var all []step
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(section(t, heading), -1) {
		for line := range strings.Lines(block[1]) {
			switch command, ok := strings.CutPrefix(line, "$ "); {
			case ok:
				all = append(all, step{command: strings.TrimSuffix(command, "\n")})
			case len(all) > 0 && strings.HasSuffix(all[len(all)-1].command, "\\"):
				all[len(all)-1].command += "\n" + strings.TrimSuffix(line, "\n")
			case len(all) > 0:
				all[len(all)-1].output += line
			}
		}
	}
	require.NotEmpty(t, all, "no console block under %q", heading)
	return all
}

func tour(t *testing.T, heading, store string, env ...string) {
	t.Helper()
	p := spawnWith(t, binary, env, "demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--store", store)
	proxy, admin := p.logs.awaitDemo(t)
	runSteps(t, heading, strings.NewReplacer("localhost:8000", proxy, "localhost:8080", admin), env...)
	p.stop()
}

// runSteps runs the commands of a section, with other ports, and compares what they print.
func runSteps(t *testing.T, heading string, ports *strings.Replacer, env ...string) {
	t.Helper()
	runStepsIn(t, "", steps(t, heading), ports, env...)
}

// runStepsIn is runSteps in a folder, of some commands.
func runStepsIn(t *testing.T, dir string, some []step, ports *strings.Replacer, env ...string) {
	t.Helper()
	env = append(env, withTools(t))
	for _, s := range some {
		shell := exec.CommandContext(context.Background(), "sh", "-c", ports.Replace(s.command))
		shell.Dir, shell.Env = dir, append(os.Environ(), env...)
		shell.Stderr = os.Stderr
		got, err := shell.Output()
		require.NoError(t, err, s.command)
		assert.Equal(t, timeless(s.output), timeless(string(got)), "$ %s", s.command)
	}
}

// timeless is an output without what differs from run to run.
func timeless(output string) string {
	for expr, with := range map[string]string{
		`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`: "TIME",
		`(127\.0\.0\.1|localhost):\d+`:           "ADDRESS",
		`(?m)^X-Request-ID: [0-9a-f]{32}\r?$`:    "X-Request-ID: ID",
		`(?m)^Date: .*$`:                         "Date: TIME",
		`(;t=|Retry-After: )(60|5\d)\b`:          "${1}SECONDS",
		`reloaded in \S+:`:                       "reloaded in TIME:",
		`\d+ in flight`:                          "N in flight",
	} {
		output = regexp.MustCompile(expr).ReplaceAllString(output, with)
	}
	return strings.TrimRight(strings.ReplaceAll(output, "\r", ""), "\n")
}

// awaitDemo waits until the demo prints where it listens.
func (l *logs) awaitDemo(t *testing.T) (proxy, admin string) {
	t.Helper()
	line := l.awaitText(t, regexp.MustCompile(`ready\b.* proxy=(\S+) .*admin=(\S+)`))
	return line[1], line[2]
}

func TestDemoHelpsItselfToPorts(t *testing.T) {
	first := spawn(t, "demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--store", "memory")
	first.logs.awaitDemo(t)
	second := spawn(t, "demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--store", "other.db")
	proxy, _ := second.logs.awaitDemo(t)
	u := url.URL{Scheme: "http", Host: proxy, Path: "/"}
	assert.Equal(t, 200, second.do("GET", u.String(), "").status, "its backends found other ports")
	first.stop()
	second.stop()
}

// The demo prints when it took another port than the usual one, and why.
func TestDemoSaysWhyAPortMoved(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	address := taken.Addr().String()
	var ports ports
	for _, at := range []string{"127.0.0.1:0", address} {
		ln, err := ports.listen(at)
		require.NoError(t, err)
		defer ln.Close()
	}
	require.Len(t, ports.moved, 1)
	assert.Regexp(t, "^"+address+` is in use by another program, so 127\.0\.0\.1:\d+ was taken$`, ports.moved[0])

	shown := demoShown{at: addresses{"127.0.0.1:1", "127.0.0.1:2"}, kept: "x.db", moved: ports.moved}
	assert.Contains(t, shown.text(), "start over\n  note       "+ports.moved[0]+"\n\nTry,")
	shown.moved = nil
	assert.Contains(t, shown.text(), "start over\n\nTry,")
}
