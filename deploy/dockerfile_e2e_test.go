//go:build e2e

package deploy

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDockerfileBuildsAStaticBinary runs the Dockerfile's own go build, as no machine that
// tests run on can be expected to have Docker.
func TestDockerfileBuildsAStaticBinary(t *testing.T) {
	build, _ := loadDockerfile(t)
	require.Equal(t, []string{"CGO_ENABLED=0"}, build.all("ENV"))
	require.Equal(t, []string{"TARGETOS TARGETARCH VERSION=dev"}, build.all("ARG"))
	binary := filepath.Join(t.TempDir(), "equalizer")
	cmd := exec.Command("sh", "-ec", strings.ReplaceAll(goBuild(t, build), "/out/equalizer", binary))
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false", "CGO_ENABLED=0",
		"VERSION=1.2.3-test", "TARGETOS=linux", "TARGETARCH="+runtime.GOARCH)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)

	requireStatic(t, binary)
	if runtime.GOOS == "linux" {
		requireWorks(t, binary)
	}
}

// goBuild is the command of the RUN that builds, without the build's own caches.
func goBuild(t *testing.T, build stage) string {
	t.Helper()
	runs := build.all("RUN")
	i := slices.IndexFunc(runs, func(run string) bool { return strings.Contains(run, "go build") })
	require.GreaterOrEqual(t, i, 0, "no go build")
	return regexp.MustCompile(`--mount=\S+`).ReplaceAllString(runs[i], "")
}

func requireStatic(t *testing.T, binary string) {
	t.Helper()
	f, err := elf.Open(binary)
	require.NoError(t, err)
	defer f.Close()
	for _, segment := range f.Progs {
		require.NotEqual(t, elf.PT_INTERP, segment.Type, "it wants a dynamic linker")
	}
	libraries, err := f.ImportedLibraries()
	require.NoError(t, err)
	require.Empty(t, libraries)
}

// requireWorks asks the binary for its version, and what it thinks of the compose files'
// configurations.
func requireWorks(t *testing.T, binary string) {
	t.Helper()
	out, err := exec.Command(binary, "version").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "1.2.3-test")

	for _, file := range []string{"config/compose.toml", "config/acme.toml"} {
		check := exec.Command(binary, "check", "-c", file)
		for _, name := range []string{"EQUALIZER_ADMIN_TOKEN", "EQUALIZER_POSTGRES_PASSWORD", "EQUALIZER_STORE_KEY", "DOMAIN", "ACME_EMAIL"} {
			check.Env = append(check.Env, name+"="+valueOf(name))
		}
		out, err = check.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
}
