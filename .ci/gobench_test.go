package ci

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// goStub is a go command whose test binaries print a line with the content of the file "code" of
// the folder that they run in, and that notes their arguments. A file "broken" keeps one from
// building.
const goStub = `case "$1 $2" in
"test -c")
	[ ! -e "$5/broken" ] || { echo "undefined: x"; exit 1; }
	printf '#!/bin/sh\necho "run ${0##*/} $*" >>"$CALLS"\n[ ! -e fails ] || { echo "--- FAIL"; exit 1; }\necho "Benchmark` + "`cat code`" + `"\n' >"$4"
	chmod +x "$4" ;;
"tool -modfile=.ci/tools/go.mod") shift 3; for f; do echo "$f" | cut -d= -f1; cat "${f#*=}"; done ;;
esac`

// checkout is a machine with a repository in which every package's code is that of its commit. v1
// and v2 are tags; v2 is checked out.
func checkout(t *testing.T, packages ...string) *machine {
	t.Helper()
	m := newMachine(t, "git", "find", "grep", "sed", "sort", "tr", "mktemp", "mkdir", "rm", "cat", "chmod", "cut", "getconf", "dirname")
	m.stub("bin/go", goStub)
	m.env = append(m.env, "HOME="+m.root, "GIT_CONFIG_NOSYSTEM=1", "GIT_CEILING_DIRECTORIES="+m.root, "CPUS=1,2", "BENCHTIME=5x", "COUNT=2")
	m.write("repo/.gitignore", "", 0o644)
	m.git("init", "-q")
	for _, version := range []string{"v1", "v2"} {
		for _, p := range packages {
			m.write("repo/"+p+"/a_test.go", "package a\n\nfunc BenchmarkX(b *testing.B) {}\n", 0o644)
			m.write("repo/"+p+"/code", p+" at "+version, 0o644)
		}
		m.write("repo/none/a_test.go", "package none\n\nfunc TestX(t *testing.T) {}\n", 0o644)
		m.write("repo/version", version, 0o644)
		m.git("add", ".")
		m.git("-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", version)
		m.git("tag", version)
	}
	return m
}

func (m *machine) git(args ...string) string {
	m.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = m.path("repo"), m.env
	out, err := cmd.CombinedOutput()
	require.NoError(m.t, err, "%s", out)
	return string(out)
}

// gobench runs the script in the repository, which must be left as it was.
func (m *machine) gobench(args ...string) (stdout, stderr string, code int) {
	m.t.Helper()
	script, err := filepath.Abs("gobench")
	require.NoError(m.t, err)
	before := m.git("status", "--short")
	out, errs, code := m.runIn(m.path("repo"), script, args...)
	assert.Equal(m.t, 1, strings.Count(m.git("worktree", "list", "--porcelain"), "worktree "), "its worktree is removed")
	assert.Equal(m.t, before, m.git("status", "--short"))
	left, err := filepath.Glob(m.path("tmp.*"))
	require.NoError(m.t, err)
	assert.Empty(m.t, left, "its temporary folder is removed")
	return out, errs, code
}

func TestBenchmarksRunOnce(t *testing.T) {
	f := func(bench, want string) {
		t.Helper()
		m := checkout(t, "a", "b/c")
		m.env = append(m.env, "BENCH="+bench)
		_, errs, code := m.gobench()
		assert.Zero(t, code, errs)
		assert.Equal(t, []string{"go test -run ^$ " + want + " -benchmem -benchtime 5x -cpu 1,2 ./a ./b/c"}, m.calls())
	}
	f("", "-bench . -skip ^BenchmarkLarge")
	f("Take", "-bench Take -skip ^BenchmarkLarge")
	f("LargeTake", "-bench LargeTake -skip ^$")
}

func TestBenchmarksRunOnEveryNumberOfProcessors(t *testing.T) {
	f := func(processors, want string) {
		t.Helper()
		m := checkout(t, "a")
		m.remove("bin/getconf")
		m.stub("bin/getconf", "echo "+processors)
		m.env = append(m.env, "CPUS=")
		_, errs, code := m.gobench()
		assert.Zero(t, code, errs)
		assert.Contains(t, strings.Join(m.calls(), "\n"), " -cpu "+want+" ")
	}
	f("1", "1")
	f("2", "1,2")
	f("6", "1,2,4,6")
	f("8", "1,2,4,8")
}

func TestComparisonTakesTurns(t *testing.T) {
	m := checkout(t, "a", "b/c")
	m.write("repo/a/code", "a, not committed", 0o644)
	out, errs, code := m.gobench("v1")
	require.Zero(t, code, errs)
	assert.Equal(t, "base\nBenchmarka at v1\nBenchmarkb/c at v1\nBenchmarka at v1\nBenchmarkb/c at v1\n"+
		"this\nBenchmarka, not committed\nBenchmarkb/c at v2\nBenchmarka, not committed\nBenchmarkb/c at v2\n", out)
	assert.Equal(t, "gobench: base ./a, 1 of 2\ngobench: this ./a, 1 of 2\ngobench: base ./b/c, 1 of 2\ngobench: this ./b/c, 1 of 2\n"+
		"gobench: this ./a, 2 of 2\ngobench: base ./a, 2 of 2\ngobench: this ./b/c, 2 of 2\ngobench: base ./b/c, 2 of 2\n", errs)
	assert.Contains(t, m.calls(), "run ._a -test.run ^$ -test.bench . -test.skip ^BenchmarkLarge -test.benchmem -test.benchtime 5x -test.cpu 1,2")
}

func TestComparisonLeavesOutWhatDoesNotBuild(t *testing.T) {
	m := checkout(t, "a", "b")
	m.write("repo/c/a_test.go", "package c\n\nfunc BenchmarkX(b *testing.B) {}\n", 0o644)
	m.write("repo/b/broken", "", 0o644)
	m.stub("bin/go", `case "$*" in "test -c"*"./c") [ -e version ] && [ "$(cat version)" = v2 ] && [ -e c ] || exit 1 ;; esac`+"\n"+goStub)
	out, errs, code := m.gobench("v1")
	require.Zero(t, code, errs)
	assert.Equal(t, "base\nBenchmarka at v1\nBenchmarka at v1\nthis\nBenchmarka at v2\nBenchmarka at v2\n", out)
	assert.Contains(t, errs, "gobench: ./c has no benchmarks that build at v1: left out\n")
	assert.Contains(t, errs, "gobench: ./b has no benchmarks that build at this checkout: left out\n")
}

func TestComparisonThatCannotBe(t *testing.T) {
	f := func(want string, prepare func(*machine), args ...string) {
		t.Helper()
		m := checkout(t, "a")
		prepare(m)
		out, errs, code := m.gobench(args...)
		assert.Equal(t, 1, code)
		assert.Empty(t, out)
		assert.Contains(t, errs, want)
	}
	asItIs := func(*machine) {}
	f("gobench: compare with which revision? make bench-compare BASE=main\n", asItIs, "")
	f("gobench: there is no revision nonsense\n", asItIs, "nonsense")
	f("gobench: there is no revision --help\n", asItIs, "--help")
	f("gobench: want no argument, or a revision\n", asItIs, "v1", "v2")
	f("gobench: there is nothing to compare: no package has benchmarks that build both here and at v1\n",
		func(m *machine) { m.write("repo/a/broken", "", 0o644) }, "v1")
	f("--- FAIL\ngobench: ./a failed on the side of this, as it says above\n",
		func(m *machine) { m.write("repo/a/fails", "", 0o644) }, "v1")
	f("gobench: BENCH=Nothing matches no benchmark of the side base\n", func(m *machine) {
		m.env = append(m.env, "BENCH=Nothing")
		m.stub("bin/go", strings.ReplaceAll(goStub, `\necho "Benchmark`, `\necho "`))
	}, "v1")
}
