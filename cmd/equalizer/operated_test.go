package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/api"
	"gopher-equalizer/balancer"
	"gopher-equalizer/balancer/tlstest"
)

// command runs a command of the real binary against a process, and returns what it prints.
func (p *proxied) command(args ...string) string {
	p.t.Helper()
	cmd := exec.Command(binary, append(args, "--admin", strings.TrimPrefix(p.admin, "http://"))...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(p.t, err, "equalizer %s: %s", strings.Join(args, " "), out)
	return string(out)
}

// operatedBackend is a backend as `equalizer backends list` prints it.
func (p *proxied) operatedBackend(b *backend) api.Backend {
	p.t.Helper()
	var all []api.Backend
	require.NoError(p.t, json.Unmarshal([]byte(p.command("backends", "list", "--json")), &all))
	for _, one := range all {
		if one.URL == b.url() {
			return one
		}
	}
	p.t.Fatalf("no backend %s", b.url())
	return api.Backend{}
}

// A backend is drained and taken back in by commands, under load, and no request fails. The wait
// ends once its requests have.
func TestDrainByCommandUnderLoad(t *testing.T) {
	backends, flags := startBackends(t, 2)
	p := launch(t, free(append(flags, "--store", "memory")...)...)
	l := startLoad(4, p.proxy+"/")
	drained, other := backends[0], backends[1]
	slow := make(chan answer)
	for range 2 { // One for each, by turns.
		go func() { slow <- p.get("/?delay=500ms") }()
	}
	p.await("a slow request at the backend", func() bool { return p.inFlight(drained) > 0 })

	assert.Contains(t, p.command("backends", "drain", drained.address, "--wait"), "default/"+drained.url()+": drain, weight 1, 0 in flight;")
	is := p.operatedBackend(drained)
	assert.Equal(t, balancer.Drain, is.State)
	assert.True(t, is.Healthy, "it is still probed")
	rest, passed := is.Requests, l.of(other.address).Load()
	p.await("requests that pass the drained backend", func() bool { return l.of(other.address).Load() > passed+100 })
	assert.Equal(t, rest, p.operatedBackend(drained).Requests)

	assert.Contains(t, p.command("backends", "ready", drained.address), ": ready, ")
	p.await("requests at the backend again", func() bool { return p.operatedBackend(drained).Requests > rest+100 })
	for range 2 {
		assert.Equal(t, 200, (<-slow).status)
	}
	l.stop()
	assert.Zero(t, l.broken.Load())
	assert.Zero(t, l.refused.Load())
	p.stop()
}

// What was said of a backend is there after kill -9, until it is reset.
func TestOverrideOutlivesAKill(t *testing.T) {
	backends, flags := startBackends(t, 2)
	args := free(append(flags, "--store", filepath.Join(t.TempDir(), "e.db"), "--capacity", "1000")...)
	p := launch(t, args...)
	p.command("backends", "maint", backends[0].address)
	p.command("backends", "weight", backends[1].address, "7")
	assert.True(t, p.operatedBackend(backends[0]).Stored)
	p.kill()

	p = launch(t, args...)
	assert.Equal(t, balancer.Maint, p.operatedBackend(backends[0]).State)
	assert.Equal(t, 7, p.operatedBackend(backends[1]).Weight)
	assert.Equal(t, "Said by API, until `equalizer backends reset ID`:\n"+
		"  default/"+backends[0].url()+": state maint, configured ready\n"+
		"  default/"+backends[1].url()+": weight 7, configured 1\n", p.command("status", "--diff"))
	for range 4 {
		assert.Equal(t, backends[1].address, p.get("/").header.Get("Backend"))
	}
	for _, b := range backends {
		p.command("backends", "reset", b.address)
	}
	p.kill()

	p = launch(t, args...)
	for _, b := range backends {
		is := p.operatedBackend(b)
		assert.Nil(t, is.Override)
		assert.Equal(t, balancer.Ready, is.State)
		assert.Equal(t, 1, is.Weight)
	}
	p.stop()
}

// The admin API on a unix socket, with no token: the process, its commands and its health check by
// the same file. A killed process's socket is replaced.
func TestAdminOnAUnixSocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "admin.sock")
	backends, _ := startBackends(t, 1)
	file := configFile(t, "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"unix://"+socket+"\"\n[pools.a]\nbackends = [%s]\n", backends)
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(binary, append(args, "-c", file)...)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		return string(out)
	}
	for range 2 {
		p := spawn(t, "-c", file)
		ready := p.logs.await(t, "ready")
		assert.Equal(t, socket, ready["admin"])
		assert.Empty(t, run("healthcheck"))
		assert.Contains(t, run("status"), "at unix://"+socket+": ready, up for ")
		assert.Contains(t, run("backends", "drain", backends[0].address), ": drain, ")
		assert.Contains(t, run("reload"), ": nothing has changed\n")
		p.logs.awaitLine(t, "who drained it", func(line string) bool { return strings.Contains(line, `"remote":"unix"`) })
		p.kill()
		assert.FileExists(t, socket)
	}
	p := spawn(t, "-c", file)
	p.logs.await(t, "ready")
	p.stop()
	assert.NoFileExists(t, socket)
}

// A reload moves the admin API from a port to a unix socket and back. A path that can't be one
// changes nothing.
func TestReloadMovesTheAdminAPIToASocket(t *testing.T) {
	dir := t.TempDir()
	socket, file := filepath.Join(dir, "admin.sock"), filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	backends, _ := startBackends(t, 1)
	text := func(admin string) string { return addressed("127.0.0.1:0", admin, poolOf("web", backends[0].url())) }
	r := launchWith(t, text("127.0.0.1:0"))
	was := strings.TrimPrefix(r.admin, "http://")
	reload := func(at, to string) (string, error) {
		t.Helper()
		r.write(text(to))
		cmd := exec.Command(binary, "reload", "--admin", at)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := reload(was, "unix://"+file)
	require.Error(t, err)
	assert.Contains(t, out, ":4: admin.listen: unix://"+file+": there is a file that is no socket; want another path, or the file removed\n")
	out, err = reload(was, "unix://"+socket)
	require.NoError(t, err, out)
	assert.Contains(t, out, "admin.listen: \"127.0.0.1:0\" -> \"unix://"+socket+"\"\n")
	_, err = do("GET", r.admin+"/healthz", "")
	require.Error(t, err, "nobody listens there any more")
	out, err = reload("unix://"+socket, was)
	require.NoError(t, err, out)
	assert.Equal(t, 200, r.call("GET", "/healthz", "").status)
	r.await("the socket to be gone", func() bool { _, err := os.Lstat(socket); return err != nil })
	assert.Equal(t, 200, r.get("/").status)
	r.stop()
}

// GET /status tells whether the last reload is in force, also one by a signal, and why not.
func TestStatusOfReloads(t *testing.T) {
	backends, _ := startBackends(t, 1)
	text := local0 + poolOf("web", backends[0].url())
	r := launchWith(t, text)
	reloads := func() api.ReloadsStatus {
		t.Helper()
		var s api.Status
		require.NoError(t, json.Unmarshal([]byte(r.call("GET", "/status", "").body), &s))
		return s.Reloads
	}
	assert.Equal(t, api.ReloadsStatus{Mistakes: []string{}, Changes: []api.Difference{}}, reloads())
	r.write(text + "[log]\nlevel = \"loud\"\n")
	r.signal(syscall.SIGHUP)
	r.await("a reload that failed", func() bool { return reloads().Failed == 1 })
	require.Len(t, reloads().Mistakes, 1)
	assert.Contains(t, reloads().Mistakes[0], "log.level: ")
	assert.Contains(t, r.command("status"), " ago: "+r.file+":")
	r.reloads(text)
	assert.EqualValues(t, 1, reloads().Done)
	assert.Empty(t, reloads().Mistakes)
	r.stop()
}

// Operators may look at a process while it reloads: the file is read by several at the same time.
func TestLooksDuringReloads(t *testing.T) {
	backends, _ := startBackends(t, 2)
	r := launchWith(t, local0+poolOf("web", backends[0].url())+"[limits.default]\n[store]\ndriver = \"memory\"\n")
	var looks sync.WaitGroup
	done := make(chan struct{})
	for _, path := range []string{"/config/changes", "/config/changes", "/config", "/status", "/backends", "/limits"} {
		looks.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					a, err := do("GET", r.admin+path, "")
					assert.NoError(t, err)
					assert.Equal(t, 200, a.status, "%s: %s", path, a.body)
				}
			}
		})
	}
	for i := range 20 {
		r.reloads(local0 + poolOf("web", backends[i%2].url()) + fmt.Sprintf("[limits.default]\ncapacity = %d\n[store]\ndriver = \"memory\"\n", i+1))
		a := r.call("PATCH", api.BackendPath("web/"+backends[i%2].url()), `{"state":"drain"}`)
		assert.Equal(t, 200, a.status, a.body)
	}
	close(done)
	looks.Wait()
	r.stop()
}

// Commands find an admin API that speaks TLS by the file that it runs by.
func TestCommandsOfAnAPIByTLS(t *testing.T) {
	cert, key := tlstest.Files(t, tlstest.NewCA(t).Issue("admin.test"))
	backends, _ := startBackends(t, 1)
	text := "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = %q\ntoken = \"0123456789abcdef\"\ncert = %q\nkey = %q\n" + poolOf("web", backends[0].url())
	r := launchWith(t, fmt.Sprintf(text, "127.0.0.1:0", cert, key))
	at := strings.TrimPrefix(r.admin, "http://")
	file := writeFile(t, fmt.Sprintf(text, at, cert, key))
	run := func(args ...string) (string, error) {
		t.Helper()
		cmd := exec.Command(binary, args...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := run("backends", "drain", backends[0].address, "-c", file)
	require.NoError(t, err, out)
	assert.Contains(t, out, ": drain, ")
	out, err = run("healthcheck", "-c", file)
	require.NoError(t, err, out)
	out, err = run("status", "--admin", "http://"+at)
	require.Error(t, err)
	assert.Contains(t, out, "want https://; give its address by --admin https://"+at+", or its file by -c")
	out, err = run("status", "--admin", "https://"+at)
	require.Error(t, err)
	assert.Contains(t, out, "isn't for that name, but for [admin.test]")
	r.stop()
}
