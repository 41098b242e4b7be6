package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestArrowsOfTheDesignAreAllowed(t *testing.T) {
	f := func(from string, to ...string) {
		t.Helper()
		require.Empty(t, check([]Package{{Path: from, Imports: to}}))
	}
	f("limiter/gcra")
	f("limiter/table", "limiter/gcra")
	f("limiter", "limiter/table", "limiter/gcra", "limiter/lease")
	f("limiter/lease", "limiter/table", "limiter/gcra")
	f("limiter/lease/leasetest", "limiter/lease", "limiter/gcra")
	f("balancer", "store/blob")
	f("store/blob")
	f("config", "limiter/gcra", "balancer", "proxy/identity", "proxy/rewrite")
	f("store/bolt", "limiter", "store/codec")
	f("store/postgres/pgtest", "store/postgres")
	f("proxy/problem")
	f("proxy/identity", "proxy/http1")
	f("proxy/rewrite", "proxy/identity", "proxy/http1")
	f("proxy", "limiter", "balancer", "proxy/problem", "proxy/h1", "proxy/outcome", "proxy/netconn")
	f("proxy/h1", "proxy/rewrite", "proxy/http1", "proxy/netconn")
	f("proxy/h2/message", "proxy/http1")
	f("proxy/outcome", "proxy/identity", "proxy/http1", "proxy/problem", "balancer")
	f("api", "limiter", "balancer", "proxy/problem")
	f("bench", "limiter", "balancer", "config", "store/memory", "proxy", "api")
	f("bench/lab/plot", "bench", "bench/machine", "proxy", "store/postgres/pgtest", "bench/lab/child")
	f("cmd/equalizer", "limiter", "balancer", "config", "store/bolt", "proxy", "api", "bench", "cmd/internal/demo")
	f("deploy")
}

func TestBrokenArrowIsOneLine(t *testing.T) {
	f := func(from, to, why string) {
		t.Helper()
		got := check([]Package{{Path: "limiter"}, {Path: from, Imports: []string{to}}})
		require.Equal(t, []string{from + " imports " + to + ": " + why}, got)
	}
	f("limiter", "balancer", "limiter may import only limiter/gcra, limiter/table, limiter/lease")
	f("limiter", "store", "limiter may import only limiter/gcra, limiter/table, limiter/lease")
	f("limiter/table", "limiter", "limiter/table may import only limiter/gcra")
	f("limiter/lease", "limiter", "limiter/lease may import only limiter/gcra, limiter/table")
	f("limiter/gcra", "limiter/table", "limiter/gcra may import nothing of ours")
	f("balancer", "limiter", "balancer/... may import only balancer/..., store/blob, proxy/meter")
	f("config", "limiter", "config/... may import only config/..., limiter/gcra, balancer/..., proxy/identity, proxy/rewrite, proxy/route, proxy/regular")
	f("config", "proxy", "config/... may import only config/..., limiter/gcra, balancer/..., proxy/identity, proxy/rewrite, proxy/route, proxy/regular")
	f("store/bolt", "balancer", "store/... may import only store/..., limiter, limiter/gcra, limiter/lease")
	f("store/bolt", "config", "store/... may import only store/..., limiter, limiter/gcra, limiter/lease")
	f("store/blob", "store", "store/blob may import nothing of ours")
	f("proxy/problem", "limiter", "proxy/problem may import nothing of ours")
	f("proxy/problem", "proxy", "proxy/problem may import nothing of ours")
	f("proxy", "store", "proxy/... may import only proxy/..., limiter, limiter/gcra, balancer/...")
	f("proxy", "store/blob", "proxy/... may import only proxy/..., limiter, limiter/gcra, balancer/...")
	f("proxy/netconn", "api", "proxy/netconn/... may import only proxy/netconn/...")
	f("proxy/h1", "balancer", "proxy/h1 may import only proxy/rewrite, proxy/http1, proxy/netconn")
	f("proxy/h2/message", "proxy/rewrite", "proxy/h2/message may import only proxy/http1")
	f("proxy/outcome", "limiter", "proxy/outcome may import only proxy/identity, proxy/http1, proxy/mask, proxy/problem, proxy/netconn, proxy/meter, balancer")
	f("proxy/http1", "proxy/identity", "proxy/http1/... may import only proxy/http1")
	f("proxy/identity", "proxy/rewrite", "proxy/identity may import only proxy/http1")
	f("proxy/identity", "limiter", "proxy/identity may import only proxy/http1")
	f("proxy/rewrite", "proxy", "proxy/rewrite may import only proxy/http1, proxy/identity, proxy/route")
	f("proxy/rewrite", "limiter", "proxy/rewrite may import only proxy/http1, proxy/identity, proxy/route")
	f("api", "store", "api/... may import only api/..., limiter, limiter/gcra, limiter/lease, balancer/..., proxy/problem, proxy/meter")
	f("api", "proxy", "api/... may import only api/..., limiter, limiter/gcra, limiter/lease, balancer/..., proxy/problem, proxy/meter")
	f("api", "proxy/problems", "api/... may import only api/..., limiter, limiter/gcra, limiter/lease, balancer/..., proxy/problem, proxy/meter")
	f("deploy", "config", "deploy/... may import nothing of ours")
	f("store/bolt", "store/storetest", "only tests may import it")
	f("cmd/equalizer", "store/postgres/pgtest", "only tests may import it")
}

func TestNothingImportsCmd(t *testing.T) {
	for _, r := range rules() {
		from := strings.TrimSuffix(r.from, "/...")
		got := check([]Package{{Path: from, Imports: []string{"cmd/equalizer"}}})
		if from == "cmd" {
			require.Empty(t, got, "cmd/... is one folder")
			continue
		}
		require.Len(t, got, 1, from)
	}
}

func TestPlottingStaysOutOfTheBinary(t *testing.T) {
	require.Len(t, check([]Package{{Path: "cmd/equalizer", Imports: []string{"bench/lab/plot"}}}), 1)
	require.Len(t, check([]Package{{Path: "bench", Imports: []string{"bench/lab/plot"}}}), 1)
}

func TestFoldersAreTheDesigns(t *testing.T) {
	f := func(path string) {
		t.Helper()
		require.Equal(t, []string{path + " is in none of the design's folders"}, check([]Package{{Path: path}}))
	}
	f("util")
	f("internal/common")
	f("limiters")
	f("gopher-equalizer") // the root itself
}

func TestEachBrokenArrowIsReported(t *testing.T) {
	require.Equal(t, []string{
		"api imports store: api/... may import only api/..., limiter, limiter/gcra, limiter/lease, balancer/..., proxy/problem, proxy/meter",
		"limiter imports balancer: limiter may import only limiter/gcra, limiter/table, limiter/lease",
		"limiter imports config: limiter may import only limiter/gcra, limiter/table, limiter/lease",
	}, check([]Package{
		{Path: "api", Imports: []string{"limiter", "store"}},
		{Path: "balancer"},
		{Path: "limiter", Imports: []string{"balancer", "config"}},
	}))
}

func TestDecode(t *testing.T) {
	got, err := decode(strings.NewReader(`
		{"ImportPath": "gopher-equalizer/limiter", "Imports": ["time"]}
		{"ImportPath": "gopher-equalizer/store/bolt", "Imports": ["gopher-equalizer/limiter", "gopher-equalizer-x/other", "go.etcd.io/bbolt"]}
	`))
	require.NoError(t, err)
	require.Equal(t, []Package{{Path: "limiter"}, {Path: "store/bolt", Imports: []string{"limiter"}}}, got)

	_, err = decode(strings.NewReader(`{"ImportPath": `))
	require.ErrorContains(t, err, "go list's output")
}
