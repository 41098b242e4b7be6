package ci

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestScriptsParse(t *testing.T) {
	for _, script := range []string{"e2e", "equip", "fuzz", "gobench", "lint", "peers", "run"} {
		text, err := os.ReadFile(script)
		require.NoError(t, err)
		shell := "sh"
		if strings.HasPrefix(string(text), "#!/usr/bin/env bash\n") {
			shell = "bash"
		}
		out, err := exec.Command(shell, "-n", script).CombinedOutput()
		require.NoError(t, err, "%s", out)

		info, err := os.Stat(script)
		require.NoError(t, err)
		require.NotZero(t, info.Mode()&0o111, "%s can't be executed", script)
	}
}

// ciRun is a machine on which make test, make e2e and make lint do as told, and .ci/run on it.
func ciRun(t *testing.T, test, e2e, lint string) (out string, code int, calls []string) {
	t.Helper()
	m := newMachine(t, "bash", "dirname", "mktemp", "rm", "tee", "grep")
	m.stub("bin/make", "case $1 in test) "+test+" ;; e2e) "+e2e+" ;; lint) "+lint+" ;; esac")
	out, _, code = m.run("./run")
	return out, code, m.calls()
}

func TestRunEndsWithTheTestRunnersResult(t *testing.T) {
	const passes, slow = `echo "ok pkg/a 1s"; echo noise; echo "ok pkg/b 2s"`, `echo "ok pkg/b 60s"`
	const summary = "make test and make e2e passed:\nok pkg/a 1s\nok pkg/b 2s\nok pkg/b 60s\n"
	all := []string{"make test", "make e2e", "make lint"}
	f := func(test, e2e, lint string, wantCode int, wantCalls []string, wantEnd string) {
		t.Helper()
		out, code, calls := ciRun(t, test, e2e, lint)
		assert.Equal(t, wantCode, code)
		assert.Equal(t, wantCalls, calls)
		assert.True(t, strings.HasSuffix(out, wantEnd), out)
	}
	f(passes, slow, "echo clean", 0, all, "clean\n"+summary)
	f(passes, slow, "echo dirty; exit 2", 2, all, "dirty\n"+summary)
	f(`echo "ok pkg/a 1s"; echo "FAIL pkg/b 2s"; exit 2`, slow, "", 2, all[:1], "ok pkg/a 1s\nFAIL pkg/b 2s\n")
	f(passes, `echo "FAIL pkg/b 60s"; exit 2`, "", 2, all[:2], "noise\nok pkg/b 2s\nFAIL pkg/b 60s\n")
}

func TestRunGivesTestsNoInput(t *testing.T) {
	out, code, _ := ciRun(t, `read -r line; echo "ok $? '$line'"`, "", "")
	assert.Zero(t, code)
	assert.True(t, strings.HasSuffix(out, "\nok 1 ''\n"), out)
}

func TestRunFailsWithoutAResult(t *testing.T) {
	_, code, _ := ciRun(t, "", "", "")
	assert.NotZero(t, code)
}

func TestE2ERunsTheTestsOfTaggedFiles(t *testing.T) {
	f := func(files map[string]string, wantCode int, want string) {
		t.Helper()
		m := newMachine(t, "find", "grep", "sed", "sort", "paste")
		m.stub("bin/go", "case $* in *Broken*) exit 1 ;; esac")
		for name, text := range files {
			m.write("module/"+name, text, 0o644)
		}
		script, err := filepath.Abs("e2e")
		require.NoError(t, err)
		_, _, code := m.runIn(m.path("module"), script)
		assert.Equal(t, wantCode, code)
		assert.Equal(t, []string{want}, m.calls())
	}
	const run = "go test -race -tags e2e -timeout 20m -run "
	test := func(tag string, names ...string) string {
		text := "//go:build " + tag + "\n\npackage x\n\nfunc helper(t *testing.T) {}\n"
		for _, name := range names {
			text += "\nfunc " + name + "(t *testing.T) {\n}\n"
		}
		return text
	}
	f(map[string]string{
		"a/slow_test.go":         test("e2e", "TestB", "TestA"),
		"a/fast_test.go":         test("linux", "TestFast"),
		"b/c/slow_test.go":       test("e2e && linux", "TestC"),
		"bench/lab/slow_test.go": test("e2e", "TestElsewhere"),
	}, 0, run+"^(TestA|TestB|TestC)$ ./a ./b/c")
	f(map[string]string{"a/slow_test.go": test("e2e", "TestBroken")}, 1, run+"^(TestBroken)$ ./a")
	f(map[string]string{"a/fast_test.go": test("linux", "TestFast")}, 1, "")
}

func TestFuzzRunsEveryTarget(t *testing.T) {
	f := func(listing string, wantCode int, want ...string) {
		t.Helper()
		m := newMachine(t, "awk")
		m.stub("bin/go", "case $2 in\n-list) "+listing+" ;;\n*) case $* in *FuzzBroken*) exit 1 ;; esac ;;\nesac")
		_, _, code := m.run("./fuzz", "5s")
		assert.Equal(t, wantCode, code)
		assert.Equal(t, append([]string{"go test -list ^Fuzz ./..."}, want...), m.calls())
	}
	f(`echo FuzzA; echo FuzzB; echo "ok pkg/a 0.1s"; echo "ok pkg/b 0.1s"; echo "? pkg/c [no test files]"; echo FuzzA; echo "ok pkg/d 0.1s"`, 0,
		"go test -run ^$ -fuzz ^FuzzA$ -fuzztime 5s pkg/a",
		"go test -run ^$ -fuzz ^FuzzB$ -fuzztime 5s pkg/a",
		"go test -run ^$ -fuzz ^FuzzA$ -fuzztime 5s pkg/d")
	f(`echo FuzzBroken; echo FuzzZ; echo "ok pkg/a 0.1s"`, 1,
		"go test -run ^$ -fuzz ^FuzzBroken$ -fuzztime 5s pkg/a")
	f(`echo "ok pkg/a 0.1s"`, 1)
	f(`echo FuzzA; echo "ok pkg/a 0.1s"; exit 1`, 1)
}

func TestLintRunsEveryCheckAndNamesThoseThatFail(t *testing.T) {
	all := []string{
		"go tool -modfile=.ci/tools/go.mod gofumpt -l .",
		"go vet -tags e2e,edge ./... ./x",
		"go vet -tags simulation ./limiter/...",
		"go tool -modfile=.ci/tools/go.mod staticcheck -tags e2e,edge ./... ./x",
		"go run ./.ci/arrows",
		"go run ./.ci/prose",
		"go vet ./... ./x",
		"go build -o /dev/null ./cmd/equalizer",
		"go build -o /dev/null ./cmd/equalizer",
	}
	f := func(script string, wantCode int, want string, calls []string) {
		t.Helper()
		m := newMachine(t)
		m.stub("bin/go", "case $GOOS$GOARCH:$* in "+script+" esac")
		out, errs, code := m.run("./lint", "./...", "./x")
		assert.Equal(t, wantCode, code)
		assert.Contains(t, out+errs, want)
		assert.Equal(t, calls, m.calls())
	}
	f("", 0, "lint: clean\n", all)
	f("*gofumpt*) echo a.go ;;", 1, "not formatted, make fmt does it:\na.go\n", all)
	f("*gofumpt*) exit 2 ;;", 1, "lint: failed: gofumpt\n", all)
	f(":vet*) exit 1 ;;", 1, "lint: failed: vet\n", all)
	f("*staticcheck*) exit 1 ;;", 1, "lint: failed: staticcheck\n", all)
	f("*arrows) exit 1 ;;", 1, "lint: failed: arrows\n", all)
	f("*prose) exit 1 ;;", 1, "lint: failed: prose\n", all)
	f("386:vet*) exit 1 ;;", 1, "lint: failed: elsewhere\n", all[:7])
	f("darwin:build*) exit 1 ;;", 1, "lint: failed: elsewhere\n", all[:8])
	f("windows:build*) exit 1 ;;", 1, "lint: failed: elsewhere\n", all)
	f(":vet*|*staticcheck*) exit 1 ;;", 1, "lint: failed: vet staticcheck\n", all)
}

func TestMakeListsEveryTarget(t *testing.T) {
	makefile, err := os.ReadFile("../Makefile")
	require.NoError(t, err)
	phony := regexp.MustCompile(`(?m)^\.PHONY: (.*)$`).FindSubmatch(makefile)
	require.NotNil(t, phony)
	var targets []string
	for _, m := range regexp.MustCompile(`(?m)^([\w-]+):`).FindAllSubmatch(makefile, -1) {
		targets = append(targets, string(m[1]))
	}
	require.Equal(t, strings.Fields(string(phony[1])), targets)

	cmd := exec.Command("make", "--no-print-directory", "-C", "..")
	cmd.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	require.Len(t, lines, len(targets))
	for i, target := range targets {
		require.Regexp(t, `^ *make `+target+` +\S`, lines[i])
	}
}

// TestPackagesReachTheDotFolders keeps make test from leaving out the tests that ./... does
// not see.
func TestPackagesReachTheDotFolders(t *testing.T) {
	makefile, err := os.ReadFile("../Makefile")
	require.NoError(t, err)
	require.Contains(t, string(makefile), "\nPACKAGES = ./... ./.ci ./.ci/arrows ./.ci/prose\n")

	folders := map[string]bool{}
	require.NoError(t, filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".go" {
			folders[filepath.Dir(path)] = true
		}
		return err
	}))
	require.Equal(t, map[string]bool{".": true, "arrows": true, "prose": true}, folders)
}
