package pgtest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// EnvURL names a server to use instead of throw-away ones, where a test needs no control over it.
const EnvURL = "EQUALIZER_TEST_POSTGRES_URL"

// errNotFound says what to do.
var errNotFound = errors.New("PostgreSQL not found: run `make test`, install the postgresql package, or set " + EnvURL)

// findBinaries is the folder that has initdb and postgres, the newest where there are several.
func findBinaries() (string, error) {
	for _, dir := range candidates() {
		if isExecutable(filepath.Join(dir, "initdb")) && isExecutable(filepath.Join(dir, "postgres")) {
			return dir, nil
		}
	}
	return "", errNotFound
}

// candidates are the folders where distributions put the server, which is seldom on the PATH.
func candidates() []string {
	var dirs []string
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",
		"/usr/pgsql-*/bin",
		"/usr/local/pgsql/bin",
		"/opt/homebrew/opt/postgresql*/bin",
		"/usr/local/opt/postgresql*/bin",
	} {
		found, _ := filepath.Glob(pattern) // the pattern is good
		slices.Sort(found)
		slices.Reverse(found)
		dirs = append(dirs, found...)
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	return append(dirs, filepath.SplitList(os.Getenv("PATH"))...)
}

func isExecutable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&0o111 != 0 && !info.IsDir()
}
