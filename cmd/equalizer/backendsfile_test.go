package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer"
	"gopher-equalizer/config"
	"gopher-equalizer/proxy"
	"gopher-equalizer/proxy/names"
)

// backendsFile is a file of backends that a test writes.
type backendsFile struct {
	t    *testing.T
	path string
}

func newBackendsFile(t *testing.T, text string) backendsFile {
	f := backendsFile{t, filepath.Join(t.TempDir(), "backends.txt")}
	f.write(text)
	return f
}

func (f backendsFile) write(text string) {
	f.t.Helper()
	require.NoError(f.t, os.WriteFile(f.path+".new", []byte(text), 0o600))
	require.NoError(f.t, os.Rename(f.path+".new", f.path))
}

// listing is a process with a configuration in force, as far as files of backends need one.
func listing(t *testing.T, text string) *process {
	t.Helper()
	l, err := config.Parse("c.toml", []byte(text), config.Options{})
	require.NoError(t, err)
	p := newProcess(configured{first: l}, runLog{Logger: zerolog.Nop()}, listening{})
	change, err := preparePools(l.Config, nil, sharedByPools{p.overrides.Overrides, p.tickets, p.names}, zerolog.Nop())
	require.NoError(t, err)
	change.apply()
	t.Cleanup(change.discard)
	snapshot, err := p.newSnapshot(l, change.pools, nil)
	require.NoError(t, err)
	p.proxy = proxy.New(snapshot, zerolog.Nop())
	p.current.Store(&inForce{Loaded: l, pools: change.pools, snapshot: snapshot})
	p.reloads.open()
	return p
}

func (p *process) urls(pool string) (all []string) {
	for _, s := range p.poolsInForce()[pool].Status() {
		all = append(all, s.ID())
	}
	return all
}

// A pool's file is followed by itself, whatever is in another pool's.
func TestRereadBackends(t *testing.T) {
	a, b := newBackendsFile(t, "http://127.0.0.1:1\nhttp://127.0.0.1:2\n"), newBackendsFile(t, "http://127.0.0.1:3\n")
	p := listing(t, "[pools.a]\nbackends_file = \""+a.path+"\"\nhealth.timeout = \"100ms\"\n[pools.b]\nbackends_file = \""+b.path+"\"\n"+
		"health.timeout = \"100ms\"\nbackends = [\"http://127.0.0.1:9\"]\n[[routes]]\npool = \"a\"\nfallback_pool = \"b\"\n")
	assert.Equal(t, []string{"a/http://127.0.0.1:1", "a/http://127.0.0.1:2"}, p.urls("a"))
	assert.Equal(t, []string{"b/http://127.0.0.1:9", "b/http://127.0.0.1:3"}, p.urls("b"))
	before := p.current.Load()
	require.NoError(t, p.rereadBackends())
	assert.Same(t, before, p.current.Load(), "the files say the same")
	_, err := before.pools["a"].Override("http://127.0.0.1:2", balancer.Override{State: balancer.Drain})
	require.NoError(t, err)

	a.write("http://127.0.0.1:2 weight=3 backup\nhttp://127.0.0.1:4\n")
	b.write("http://127.0.0.1:3")
	require.ErrorContains(t, p.rereadBackends(), b.path+":1: pools.b.backends_file: no line break ends the line")
	assert.Equal(t, []string{"a/http://127.0.0.1:2", "a/http://127.0.0.1:4"}, p.urls("a"))
	assert.Equal(t, []string{"b/http://127.0.0.1:9", "b/http://127.0.0.1:3"}, p.urls("b"))
	kept, err := p.poolsInForce()["a"].BackendStatus("http://127.0.0.1:2")
	require.NoError(t, err)
	assert.Equal(t, 3, kept.Weight)
	assert.True(t, kept.Backup)
	assert.Equal(t, balancer.Drain, kept.State, "an operator's state stays")
	assert.Equal(t, []string{"127.0.0.1:2", "127.0.0.1:4"}, p.poolsInForce()["a"].hidden())
	assert.Len(t, p.latest(before).Config.Pools["a"].Backends, 2)

	b.write("# one more\nhttp://127.0.0.1:3\n")
	require.NoError(t, p.rereadBackends())
	assert.Equal(t, config.Source{Name: b.path, Line: 2}, p.current.Load().Sources.Of("pools.b.backends[1].url"), "lines are those of now")
	require.NoError(t, os.Remove(a.path))
	require.Error(t, p.rereadBackends())
	assert.Equal(t, []string{"a/http://127.0.0.1:2", "a/http://127.0.0.1:4"}, p.urls("a"))

	p.reloads.close()
	a.write("http://127.0.0.1:5\n")
	require.Error(t, p.rereadBackends(), "the process stops")
	assert.Equal(t, []string{"a/http://127.0.0.1:2", "a/http://127.0.0.1:4"}, p.urls("a"))
}

// A reload that came first has read the files itself.
func TestRereadBackendsBehindAReload(t *testing.T) {
	a := newBackendsFile(t, "http://127.0.0.1:1\n")
	p := listing(t, "[pools.a]\nbackends_file = \""+a.path+"\"\nhealth.timeout = \"100ms\"\n")
	a.write("http://127.0.0.1:2\n")
	p.changing.Lock()
	done := make(chan error)
	go func() { done <- p.rereadBackends() }()
	replaced := *p.current.Load()
	p.current.Store(&replaced)
	p.changing.Unlock()
	require.NoError(t, <-done)
	require.NoError(t, p.rereadBackends())
	assert.Equal(t, []string{"a/http://127.0.0.1:2"}, p.urls("a"))
}

// The addresses of names in a file are backends, too.
func TestNamesInAFileOfBackends(t *testing.T) {
	a := newBackendsFile(t, "http://127.0.0.1:1\n")
	p := listing(t, "[pools.a]\nbackends_file = \""+a.path+"\"\nhealth.timeout = \"100ms\"\nresolve_interval = \"1h\"\n")
	a.write("http://127.0.0.1:1\nhttp://localhost:2 weight=2\n")
	require.NoError(t, p.rereadBackends())
	host := names.Host{Name: "localhost"}
	assert.Equal(t, map[string]names.Host{"http://localhost:2": host}, p.poolsInForce()["a"].listed.Load().hosts)
	assert.Equal(t, []string{"a/http://127.0.0.1:1", "a/http://localhost:2@127.0.0.1"}, p.urls("a"))
	a.write("http://127.0.0.1:1\n")
	require.NoError(t, p.rereadBackends())
	assert.Empty(t, p.names.Addresses(host), "nobody needs it any more")
}
