package ci

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// bare is a machine with none of the benchmarks' peers. The script is a copy whose absolute
// paths are all in the machine.
func bare(t *testing.T, programs ...string) (m *machine, peers string) {
	t.Helper()
	m = newMachine(t, append(programs, "mv", "tee", "rm", "cat", "chmod")...)
	m.write("bin/id", "#!/bin/sh\necho 0\n", 0o755)
	m.write("usr/sbin/other", "", 0o644)
	script, err := os.ReadFile("peers")
	require.NoError(t, err)
	absolute := regexp.MustCompile(`([="])(/usr/)`)
	require.Len(t, absolute.FindAll(script, -1), 2)
	m.write("peers", absolute.ReplaceAllString(string(script), "${1}"+m.root+"${2}"), 0o755)
	return m, m.path("peers")
}

// makes is a script for a package manager that installs the program it is told last, but not
// these.
func (m *machine) makes(but string) string {
	return "for p; do :; done; case $p in " + but + ") exit 1 ;; nghttp2*) p=h2load ;; golang-github-prometheus) p=prometheus ;; redis) p=redis-server ;; esac; case $p in wrk|h2load|nginx|haproxy|strace|goaccess|mandoc|prometheus|redis-server|zsh|fish) echo '#!/bin/sh' >" +
		m.path("bin") + "/$p; chmod +x " + m.path("bin") + "/$p ;; esac"
}

func TestPeersInstallsNothingThatIsThere(t *testing.T) {
	m, peers := bare(t)
	for _, program := range []string{"bin/wrk", "bin/h2load", "usr/sbin/nginx", "usr/sbin/haproxy", "bin/strace", "bin/goaccess", "bin/mandoc", "bin/prometheus", "bin/redis-server", "bin/zsh", "bin/fish"} {
		m.write(program, "#!/bin/sh\n", 0o755)
	}
	m.stub("bin/apt-get", "exit 1")
	out, errs, code := m.run(peers, "sh", "-c", `echo "$*"; exit 7`, "sh", "a b", "c")
	assert.Empty(t, errs)
	assert.Equal(t, "a b c\n", out)
	assert.Equal(t, 7, code)
	assert.Equal(t, []string{""}, m.calls())
}

func TestPeersSaysWhatItInstalls(t *testing.T) {
	f := func(manager string, calls ...string) {
		t.Helper()
		m, peers := bare(t)
		m.stub("bin/"+manager, m.makes("none"))
		m.stub("bin/update-rc.d", "")
		out, errs, code := m.run(peers, "sh", "-c", "echo went on")
		assert.Equal(t, ".ci/peers: no wrk h2load nginx haproxy strace goaccess mandoc prometheus redis-server zsh fish here; installing with "+manager+"\n", errs)
		assert.Equal(t, "went on\n", out)
		assert.Zero(t, code)
		assert.Equal(t, calls, m.calls())
	}
	const apt = "apt-get install -y -qq --no-install-recommends "
	f("apt-get", "apt-get update -qq", apt+"wrk", apt+"nghttp2-client",
		apt+"nginx", "update-rc.d nginx disable", apt+"haproxy", "update-rc.d haproxy disable", apt+"strace", apt+"goaccess", apt+"mandoc",
		apt+"prometheus", "update-rc.d prometheus disable", apt+"redis-server", "update-rc.d redis-server disable", apt+"zsh", apt+"fish")
	f("dnf", "dnf install -y -q wrk", "dnf install -y -q nghttp2", "dnf install -y -q nginx", "dnf install -y -q haproxy", "dnf install -y -q strace", "dnf install -y -q goaccess", "dnf install -y -q mandoc", "dnf install -y -q golang-github-prometheus", "dnf install -y -q redis", "dnf install -y -q zsh", "dnf install -y -q fish")
	f("apk", "apk add --quiet wrk", "apk add --quiet nghttp2", "apk add --quiet nginx", "apk add --quiet haproxy", "apk add --quiet strace", "apk add --quiet goaccess", "apk add --quiet mandoc", "apk add --quiet prometheus", "apk add --quiet redis", "apk add --quiet zsh", "apk add --quiet fish")
	f("pacman", "pacman -Sy --needed --noconfirm wrk", "pacman -Sy --needed --noconfirm nghttp2", "pacman -Sy --needed --noconfirm nginx",
		"pacman -Sy --needed --noconfirm haproxy", "pacman -Sy --needed --noconfirm strace", "pacman -Sy --needed --noconfirm goaccess", "pacman -Sy --needed --noconfirm mandoc", "pacman -Sy --needed --noconfirm prometheus", "pacman -Sy --needed --noconfirm redis", "pacman -Sy --needed --noconfirm zsh", "pacman -Sy --needed --noconfirm fish")
}

func TestPeersKeepsDebianFromStartingThem(t *testing.T) {
	f := func(before string) {
		t.Helper()
		m, peers := bare(t)
		const policy = "usr/sbin/policy-rc.d"
		if before != "" {
			m.write(policy, before, 0o755)
		}
		m.stub("bin/update-rc.d", "")
		m.stub("bin/apt-get", "case $* in install*) "+m.path(policy)+"; echo policy $? >>\"$CALLS\" ;; esac\n"+m.makes("wrk"))
		_, _, code := m.run(peers, "sh", "-c", "")
		assert.Zero(t, code)
		assert.Contains(t, m.calls(), "policy 101")
		assert.NotContains(t, m.calls(), "policy 0")
		if before == "" {
			assert.NoFileExists(t, m.path(policy))
			return
		}
		text, err := os.ReadFile(m.path(policy))
		require.NoError(t, err)
		assert.Equal(t, before, string(text))
		assert.NoFileExists(t, m.path(policy+".before-bench"))
	}
	f("")
	f("#!/bin/sh\nexit 0\n")
}

func TestPeersGoesOnWithoutWhatCantBeHad(t *testing.T) {
	f := func(manager, but, root, want string) {
		t.Helper()
		m, peers := bare(t)
		if manager != "" {
			m.stub("bin/"+manager, m.makes(but))
		}
		m.write("bin/id", "#!/bin/sh\necho "+root+"\n", 0o755)
		out, errs, code := m.run(peers, "sh", "-c", "echo went on")
		assert.Contains(t, errs, want)
		assert.Equal(t, "went on\n", out)
		assert.Zero(t, code)
	}
	f("dnf", "wrk", "0", ".ci/peers: going on without wrk\n")
	f("apk", "wrk|strace", "0", ".ci/peers: going on without wrk strace\n")
	f("", "", "0", "no wrk h2load nginx haproxy strace goaccess mandoc prometheus redis-server zsh fish here, and no apt-get, dnf, apk or pacman to install it with\n")
	f("dnf", "", "1000", "no wrk h2load nginx haproxy strace goaccess mandoc prometheus redis-server zsh fish here, and installing takes root or sudo\n")
}
