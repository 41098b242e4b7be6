package pgtest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// EnvURL is the environment variable that names a server to use for tests that only connect
// to one: a URL, whose user may create schemas in its database.
const EnvURL = "EQUALIZER_TEST_POSTGRES_URL"

var (
	errNotFound  = errors.New("PostgreSQL not found: run `make test`, install the postgresql package, or set " + EnvURL)
	errOwnNeeded = errors.New("PostgreSQL not found: this test stops its server, which it does not do to that of " + EnvURL +
		": install the postgresql package")
)

// installed are the places where packages put the server's programs.
func installed() []string {
	return []string{
		"/usr/lib/postgresql/*/bin", "/usr/libexec/postgresql*", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin",
		"/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin",
		"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
	}
}

// findPrograms is the folder with the server's programs: from the PATH, from pg_config, or the
// newest that is installed.
func findPrograms() (string, error) {
	for _, dir := range candidates() {
		if isExecutable(filepath.Join(dir, "initdb")) && isExecutable(filepath.Join(dir, "postgres")) {
			return dir, nil
		}
	}
	return "", notFound()
}

// notFound is the failure of tests if there is no PostgreSQL, or none that they may stop.
func notFound() error {
	if os.Getenv(EnvURL) != "" {
		return errOwnNeeded
	}
	return errNotFound
}

func candidates() []string {
	var dirs []string
	if path, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	var found []string
	for _, pattern := range installed() {
		matches, _ := filepath.Glob(pattern) // its only error is a bad pattern
		found = append(found, matches...)
	}
	slices.SortStableFunc(found, func(a, b string) int { return versionIn(b) - versionIn(a) })
	return append(dirs, found...)
}

// versionIn is the first number in a path, which is PostgreSQL's major version; 0 if there is none.
func versionIn(path string) int {
	isDigit := func(r rune) bool { return r >= '0' && r <= '9' }
	start := strings.IndexFunc(path, isDigit)
	if start < 0 {
		return 0
	}
	end := start
	for end < len(path) && isDigit(rune(path[end])) {
		end++
	}
	version, _ := strconv.Atoi(path[start:end])
	return version
}

func isExecutable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}
