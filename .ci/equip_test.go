package ci

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fresh is a machine with nothing that the tests need but Go. The script is a copy whose
// absolute paths are all in the machine.
func fresh(t *testing.T) (m *machine, equip string) {
	t.Helper()
	m = newMachine(t, "dirname", "mkdir", "tee", "rm", "cat", "touch", "chmod")
	m.write("bin/go", "#!/bin/sh\necho cc\n", 0o755) // go env CC
	m.write("bin/id", "#!/bin/sh\necho 0\n", 0o755)
	script, err := os.ReadFile("equip")
	require.NoError(t, err)
	absolute := regexp.MustCompile(`([\t =])(/(usr|opt|home|etc)/)`)
	require.True(t, absolute.Match(script))
	m.write("equip", absolute.ReplaceAllString(string(script), "${1}"+m.root+"${2}"), 0o755)
	return m, m.path("equip")
}

const debianServer = "usr/lib/postgresql/17/bin"

func (m *machine) addServer(folder string) {
	m.t.Helper()
	for _, program := range []string{"initdb", "pg_ctl", "postgres"} {
		m.write(folder+"/"+program, "#!/bin/sh\n", 0o755)
	}
	m.addPooler()
}

func (m *machine) addPooler() { m.write("usr/sbin/pgbouncer", "#!/bin/sh\n", 0o755) }

func (m *machine) addCompiler() { m.write("bin/cc", "#!/bin/sh\ncat >/dev/null\n", 0o755) }

// installs is a script for a package manager that makes all of them.
func (m *machine) installs() string {
	folder := m.path(debianServer)
	return "case $* in *install*|*add*|*-S*)\n mkdir -p " + folder +
		"; for f in " + folder + "/initdb " + folder + "/pg_ctl " + folder + "/postgres " + m.path("bin/pgbouncer") + " " + m.path("bin/cc") +
		"; do echo '#!/bin/sh' >$f; chmod +x $f; done ;; esac"
}

func TestEquipInstallsNothingThatIsThere(t *testing.T) {
	f := func(folder string) {
		t.Helper()
		m, equip := fresh(t)
		m.addServer(folder)
		m.addCompiler()
		m.stub("bin/apt-get", "exit 1")
		out, errs, code := m.run(equip, "sh", "-c", `initdb && echo "$CGO_ENABLED $*"`, "sh", "a b", "c")
		assert.Empty(t, errs)
		assert.Equal(t, "1 a b c\n", out)
		assert.Zero(t, code)
		assert.Equal(t, []string{""}, m.calls())
	}
	f("bin")
	f(debianServer)
	f("usr/libexec/postgresql17")
	f("usr/pgsql-16/bin")
	f("usr/local/pgsql/bin")
	f("opt/homebrew/opt/postgresql@17/bin")
	f("usr/local/opt/postgresql@17/bin")
	f("home/linuxbrew/.linuxbrew/opt/postgresql@17/bin")
}

func TestEquipAsksPgConfig(t *testing.T) {
	m, equip := fresh(t)
	m.addCompiler()
	m.addServer("elsewhere")
	m.write("bin/pg_config", "#!/bin/sh\n[ \"$1\" = --bindir ] && echo "+m.path("elsewhere")+"\n", 0o755)
	_, errs, code := m.run(equip, "initdb")
	assert.Empty(t, errs)
	assert.Zero(t, code)
}

func TestEquipNeedsNoServerNextToAURL(t *testing.T) {
	m, equip := fresh(t)
	m.addCompiler()
	m.env = append(m.env, "EQUALIZER_TEST_POSTGRES_URL=postgres://localhost/test")
	out, errs, code := m.run(equip, "sh", "-c", `echo "$PATH"`)
	assert.Empty(t, errs)
	assert.Equal(t, m.path("bin")+"\n", out)
	assert.Zero(t, code)
}

func TestEquipPassesTheExitCodeOn(t *testing.T) {
	m, equip := fresh(t)
	m.addCompiler()
	m.addServer("bin")
	_, _, code := m.run(equip, "sh", "-c", "exit 7")
	assert.Equal(t, 7, code)
}

func TestEquipSaysWhatItInstalls(t *testing.T) {
	f := func(manager, said string, calls ...string) {
		t.Helper()
		m, equip := fresh(t)
		m.stub("bin/"+manager, m.installs())
		out, errs, code := m.run(equip, "sh", "-c", "initdb && echo went on")
		assert.Equal(t, ".ci/equip: no PostgreSQL server and no PgBouncer and no C compiler here; installing with "+said+"\n", errs)
		assert.Equal(t, "went on\n", out)
		assert.Zero(t, code)
		assert.Equal(t, calls, m.calls())
	}
	f("apt-get", "apt-get: postgresql pgbouncer gcc libc6-dev",
		"apt-get update -qq", "apt-get install -y -qq --no-install-recommends postgresql pgbouncer gcc libc6-dev")
	f("dnf", "dnf: postgresql-server pgbouncer gcc", "dnf install -y -q postgresql-server pgbouncer gcc")
	f("apk", "apk: postgresql pgbouncer gcc musl-dev", "apk add --quiet postgresql pgbouncer gcc musl-dev")
	f("pacman", "pacman: postgresql pgbouncer gcc", "pacman -Sy --needed --noconfirm postgresql pgbouncer gcc")
	f("brew", "brew: postgresql@17 pgbouncer gcc", "brew install --quiet postgresql@17 pgbouncer gcc")
}

func TestEquipInstallsOnlyWhatIsMissing(t *testing.T) {
	m, equip := fresh(t)
	m.addCompiler()
	m.stub("bin/dnf", m.installs())
	_, errs, _ := m.run(equip, "sh", "-c", "")
	assert.Equal(t, ".ci/equip: no PostgreSQL server and no PgBouncer here; installing with dnf: postgresql-server pgbouncer\n", errs)
	assert.Equal(t, []string{"dnf install -y -q postgresql-server pgbouncer"}, m.calls())

	m, equip = fresh(t)
	m.addCompiler()
	m.addServer("bin")
	require.NoError(t, os.Remove(m.path("usr/sbin/pgbouncer")))
	m.stub("bin/dnf", m.installs())
	_, errs, _ = m.run(equip, "sh", "-c", "")
	assert.Equal(t, ".ci/equip: no PgBouncer here; installing with dnf: pgbouncer\n", errs)
	assert.Equal(t, []string{"dnf install -y -q pgbouncer"}, m.calls())

	m, equip = fresh(t)
	m.addServer("bin")
	m.stub("bin/dnf", m.installs())
	_, errs, _ = m.run(equip, "sh", "-c", "")
	assert.Equal(t, ".ci/equip: no C compiler here; installing with dnf: gcc\n", errs)
	assert.Equal(t, []string{"dnf install -y -q gcc"}, m.calls())
}

func TestEquipKeepsDebianFromStartingAnything(t *testing.T) {
	m, equip := fresh(t)
	conf, policy := "etc/postgresql-common/createcluster.d/equip.conf", "usr/sbin/policy-rc.d"
	m.stub("bin/apt-get", "case $* in install*) cat "+m.path(conf)+" "+m.path(policy)+" >>\"$CALLS\" ;; esac\n"+m.installs())
	_, _, code := m.run(equip, "initdb")
	assert.Zero(t, code)
	assert.Contains(t, m.calls(), "create_main_cluster = false")
	assert.Contains(t, m.calls(), "exit 101")
	assert.NoFileExists(t, m.path(conf))
	assert.NoFileExists(t, m.path(policy))

	m, equip = fresh(t)
	m.write(policy, "the machine's own", 0o755)
	m.stub("bin/apt-get", m.installs())
	_, _, code = m.run(equip, "initdb")
	assert.Zero(t, code)
	own, err := os.ReadFile(m.path(policy))
	require.NoError(t, err)
	assert.Equal(t, "the machine's own", string(own))

	m, equip = fresh(t)
	m.stub("bin/apt-get", "exit 100")
	_, errs, code := m.run(equip, "initdb")
	assert.Equal(t, 1, code)
	assert.Contains(t, errs, ".ci/equip: apt-get could not install postgresql pgbouncer gcc libc6-dev")
	assert.NoFileExists(t, m.path(conf))
}

func TestEquipInstallsWithSudoIfNotRoot(t *testing.T) {
	m, equip := fresh(t)
	m.write("bin/id", "#!/bin/sh\necho 1000\n", 0o755)
	m.stub("bin/apk", m.installs())
	_, errs, code := m.run(equip, "initdb")
	assert.Contains(t, errs, "installing takes root or sudo: install it by hand")
	assert.Equal(t, 1, code)
	assert.Equal(t, []string{""}, m.calls())

	m.stub("bin/sudo", `"$@"`)
	_, _, code = m.run(equip, "initdb")
	assert.Zero(t, code)
	assert.Equal(t, []string{"sudo apk add --quiet postgresql pgbouncer gcc musl-dev", "apk add --quiet postgresql pgbouncer gcc musl-dev"}, m.calls())
}

func TestEquipSaysWhatFailed(t *testing.T) {
	f := func(manager, script, want string) {
		t.Helper()
		m, equip := fresh(t)
		if manager != "" {
			m.stub("bin/"+manager, script)
		}
		out, errs, code := m.run(equip, "sh", "-c", "echo went on")
		assert.Contains(t, errs, want)
		assert.Contains(t, errs, "name a server in EQUALIZER_TEST_POSTGRES_URL")
		assert.Empty(t, out)
		assert.Equal(t, 1, code)
	}
	f("", "", "no PostgreSQL server and no PgBouncer and no C compiler here, and no apt-get, dnf, apk, pacman or brew")
	f("dnf", "exit 3", "dnf could not install postgresql-server pgbouncer gcc, as it says above")
	f("pacman", "exit 0", "pacman installed postgresql pgbouncer gcc, but there is still no PostgreSQL server and no PgBouncer and no C compiler")
}
