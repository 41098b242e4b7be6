//go:build linux

package main

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench/lab/load"
	"gopher-equalizer/bench/lab/peers"
	"gopher-equalizer/bench/lab/program"
	"gopher-equalizer/bench/lab/report"
)

func TestFlags(t *testing.T) {
	s, err := parse(nil)
	require.NoError(t, err)
	assert.Equal(t, report.FoldersOf("quick", false), s.folders)
	assert.Equal(t, "make bench", s.command)
	assert.Equal(t, []any{5, time.Second}, []any{s.rounds, s.time})
	assert.Len(t, s.shapes, 2)

	s, err = parse([]string{"--full", "--caddy", "--rounds", "2", "--time=200ms", "--results"})
	require.NoError(t, err)
	assert.Equal(t, report.FoldersOf("full", true), s.folders)
	assert.Equal(t, `make bench-full ARGS="--caddy --rounds 2 --time=200ms --results"`, s.command)
	assert.Equal(t, []any{2, 200 * time.Millisecond, true}, []any{s.rounds, s.time, s.caddy})

	s, err = parse([]string{"--claim", "--results"})
	require.NoError(t, err)
	assert.Equal(t, report.FoldersOf("claim", true), s.folders)
	assert.Equal(t, `make bench ARGS="--claim --results"`, s.command)
	assert.Equal(t, 30, s.rounds)

	s, err = parse([]string{"--tls", "--rounds", "15"})
	require.NoError(t, err)
	assert.Equal(t, report.FoldersOf("tls", false), s.folders)
	assert.Equal(t, `make bench ARGS="--tls --rounds 15"`, s.command)
	assert.Equal(t, 15, s.rounds)
	assert.Equal(t, []load.Wire{load.Secure}, s.wires())

	s, err = parse([]string{"--h2"})
	require.NoError(t, err)
	assert.Equal(t, report.FoldersOf("h2", false), s.folders)
	assert.Equal(t, []any{30, 2 * time.Second}, []any{s.rounds, s.time})
	assert.Equal(t, []load.Wire{load.HTTP2}, s.wires())
}

func TestBadFlags(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		var stdout, stderr bytes.Buffer
		assert.Equal(t, program.ExitUsage, suite().Run(t.Context(), args, &stdout, &stderr))
		assert.Contains(t, stderr.String(), want)
		assert.Empty(t, stdout.String())
	}
	f("unexpected --rounds 0; want 1 to 100", "--rounds", "0")
	f("unexpected --full, --claim, --variants, --tls and --h2 together; want one of them", "--full", "--claim")
	f("unexpected --full, --claim, --variants, --tls and --h2 together; want one of them", "--tls", "--h2")
	f("unexpected --rounds 101", "--rounds", "101")
	f("unexpected --time 99ms; want 100ms to 1m", "--time", "99ms")
	f("unexpected --time 1h0m0s", "--time", "1h")
	f(`unexpected argument "nginx"; want flags only`, "nginx")
	f("-fast", "--fast")
	f("time", "--time", "soon")
}

func TestHelpNamesEveryFlag(t *testing.T) {
	var stdout, stderr bytes.Buffer
	assert.Zero(t, suite().Run(t.Context(), []string{"--help"}, &stdout, &stderr))
	assert.Empty(t, stderr.String())
	code, err := os.ReadFile("settings.go")
	require.NoError(t, err)
	flags := regexp.MustCompile(`flags\.\w+\("(\w+)"`).FindAllSubmatch(code, -1)
	require.Len(t, flags, 9)
	for _, f := range flags {
		assert.Contains(t, stdout.String(), "--"+string(f[1])+" ")
	}
}

func TestTheWholeMatrix(t *testing.T) {
	seen := map[load.Shape]shape{}
	for _, s := range whole().shapes {
		assert.NotContains(t, seen, s.Shape)
		assert.Equal(t, !s.TLS, slices.Contains(s.keys, load.NoKey))
		seen[s.Shape] = s
	}
	assert.Len(t, seen, 4+2+4+2+2+4+3)
	for _, s := range quick().shapes {
		s.variants = lean()
		assert.Equal(t, s, seen[s.Shape])
	}
	for _, size := range []load.Size{load.Small, load.Ten} {
		for _, c := range []int{1, 8, 64, 512} {
			assert.Contains(t, seen[load.Shape{Connections: c, Size: size}].keys, load.RandomKeys)
		}
		for _, rate := range []int{2000, 8000} {
			assert.Contains(t, seen[load.Shape{Rate: rate, Size: size}].keys, load.RandomKeys)
		}
		assert.Contains(t, seen, load.Shape{Connections: 64, Size: size, New: true})
		assert.Contains(t, seen, load.Shape{Connections: 64, Size: size, TLS: true})
	}
	assert.Contains(t, seen, load.Shape{Connections: 8, Size: load.Mega, TLS: true})
	assert.Contains(t, seen, load.Shape{Connections: 64, Size: load.Small, New: true, TLS: true})
}

// stations are the targets that a machine with nginx and HAProxy has, without starting them.
func stations() (targets []*target) {
	off, ends := []load.Key{load.NoKey}, []load.Key{load.NoKey, load.RandomKeys}
	others := []peers.Peer{
		{Name: "direct", Role: peers.Base, Keys: off},
		{Name: "byte pump", Role: peers.Floor, Keys: off},
		{Name: peers.Equalizer, Role: peers.Ours, TLS: true, Keys: every(), Behind: time.Second},
		{Name: peers.NoLog, Role: peers.Ours, Variant: true, Keys: ends, Behind: time.Second},
		{Name: peers.Bare, Role: peers.Ours, Variant: true, Keys: ends},
		{Name: peers.InMemory, Role: peers.Ours, Variant: true, Keys: ends[1:]},
		{Name: peers.Large, Role: peers.Ours, Variant: true, Keys: ends[1:], Behind: time.Second},
		{Name: peers.Wide, Role: peers.Ours, Variant: true, Keys: ends[1:], Behind: time.Second},
		{Name: "nginx", Role: peers.Other, TLS: true, Keys: every()},
		{Name: "nginx, no log", Role: peers.Other, Variant: true, Keys: ends},
		{Name: "haproxy", Role: peers.Other, TLS: true, Keys: every()},
		{Name: "haproxy, no log", Role: peers.Other, Variant: true, Keys: ends},
	}
	for _, key := range every() {
		for _, p := range others {
			if p.Can(key) {
				targets = append(targets, &target{Peer: p, key: key})
			}
		}
	}
	return targets
}

func planned(s settings) *comparison {
	c := &comparison{settings: s, bed: &bed{wrk: &load.Wrk{}, h2load: &load.H2load{}}, targets: stations()}
	c.targets = slices.DeleteFunc(c.targets, func(t *target) bool { return !c.wants(t.Peer) })
	c.planAll()
	return c
}

func TestHowALoadIsMadeIsWrittenDown(t *testing.T) {
	commands := map[load.Shape]map[load.Key]string{}
	for _, cell := range planned(quick()).cells {
		if commands[cell.Load] == nil {
			commands[cell.Load] = map[load.Key]string{}
		}
		commands[cell.Load][cell.Limiter] = cell.Command
	}
	const wrk, url, then = "wrk -t1 -c64 -d3s --timeout 5s -s .", "http://PROXY/small", ", interrupted after 1s"
	assert.Equal(t, map[load.Key]string{
		load.NoKey:      wrk + " " + url + then,
		load.OneKey:     wrk + " -H 'X-Api-Key: client-1' " + url + then,
		load.RandomKeys: wrk + " " + url + " -- random X-Api-Key 1000000 SEED" + then,
	}, commands[load.Shape{Connections: 64, Size: load.Small}])
	const vegeta, library = "vegeta attack -rate=2000/s -duration=1s -keepalive=true", ", as a library"
	assert.Equal(t, map[load.Key]string{
		load.NoKey:      vegeta + library,
		load.OneKey:     vegeta + " -header='X-Api-Key: client-1'" + library,
		load.RandomKeys: vegeta + " -header='X-Api-Key: client-RANDOM'" + library,
	}, commands[load.Shape{Rate: 2000, Size: load.Small}])
}

// Loads by TLS are for whoever speaks it, as shipped, with a limit for each client. They take no
// wrk for handshakes.
func TestByTLS(t *testing.T) {
	of := map[string]int{}
	for _, cell := range planned(secured()).cells {
		of[cell.Proxy]++
		require.True(t, cell.Load.TLS)
		require.Equal(t, load.RandomKeys, cell.Limiter)
		cell.target.address, cell.target.secure = "h:80", "h:443"
		assert.Equal(t, "h:443", planned(secured()).order(cell, time.Second).Target)
	}
	assert.Equal(t, map[string]int{peers.Equalizer: 4, "nginx": 4, "haproxy": 4}, of)

	without := &comparison{settings: secured(), bed: &bed{}, targets: stations()}
	without.planAll()
	require.Len(t, without.cells, 3)
	assert.Equal(t, "64 clients in Go for 1s: TLS 1.3 with X25519 and no session on a new connection, one request to /small", without.cells[0].Command)
}

// Loads by HTTP/2 are for whoever speaks TLS, and need h2load, not wrk.
func TestByHTTP2(t *testing.T) {
	of := map[string]int{}
	for _, cell := range planned(multiplexed()).cells {
		of[cell.Proxy]++
		require.True(t, cell.Load.TLS && cell.shape.multiplexes())
		require.Equal(t, load.OneKey, cell.Limiter)
		assert.Contains(t, cell.Command, "-D2000ms --npn-list=h2 --groups=X25519 --tls13-ciphers=TLS_AES_128_GCM_SHA256 --log-file=requests.tsv '-HX-Api-Key: client-1' -B https://PROXY -i ")
	}
	assert.Equal(t, map[string]int{peers.Equalizer: 4, "nginx": 4, "haproxy": 4}, of)

	without := &comparison{settings: multiplexed(), bed: &bed{wrk: &load.Wrk{}}, targets: stations()}
	without.planAll()
	assert.Empty(t, without.cells)
}

func TestHowLongItTakes(t *testing.T) {
	assert.Less(t, planned(quick()).expected(), 6*time.Minute) // and then there is building
	assert.Less(t, planned(claimed()).expected(), 28*time.Minute)
	assert.Less(t, planned(parted()).expected(), 25*time.Minute)
	assert.Less(t, planned(secured()).expected(), 12*time.Minute)
	assert.Less(t, planned(multiplexed()).expected(), 22*time.Minute)
	assert.Less(t, planned(whole()).expected(), 36*time.Minute)
	t.Log(planned(quick()).expected(), planned(claimed()).expected(), planned(secured()).expected(), planned(whole()).expected())
}

func TestTurns(t *testing.T) {
	c := planned(quick())
	runs := map[*report.Cell]int{}
	for round := range c.rounds {
		cells := c.turn(round)
		for i, one := range cells {
			runs[one.Cell]++
			again := slices.IndexFunc(cells[i:], func(other cell) bool { return !one.same(other) })
			if again >= 0 {
				assert.False(t, slices.ContainsFunc(cells[i+again:], one.same), "round %d: %s has others between it and its like", round, one)
			}
		}
	}
	require.Len(t, runs, len(c.cells))
	for row, n := range runs {
		want := c.rounds
		if row.Role == peers.Base || row.Role == peers.Floor {
			want = 3 // of 5
		}
		assert.Equal(t, want, n, row.Proxy)
	}
	assert.NotEqual(t, c.turn(0)[0].Load, c.turn(c.rounds - 1)[0].Load)
}

// All variants but that of the step are in each round of both loads.
func TestVariants(t *testing.T) {
	c := planned(parted())
	of := map[string]int{}
	for round := range c.rounds {
		for _, cell := range c.turn(round) {
			of[cell.Proxy]++
		}
	}
	want := map[string]int{}
	for _, proxy := range []string{peers.Equalizer, peers.NoLog, peers.Bare, peers.InMemory, peers.Large, "nginx", "nginx, no log", "haproxy", "haproxy, no log"} {
		want[proxy] = 2 * 30
	}
	assert.Equal(t, want, of)
}

// A claim has 30 rounds of us and the others for each of its loads. Variants are in the same six
// rounds of two of the loads, and the one for the step is in all of its.
func TestAClaim(t *testing.T) {
	c := planned(claimed())
	rounds := map[string]map[load.Shape][]int{}
	for round := range c.rounds {
		for _, cell := range c.turn(round) {
			require.Equal(t, load.RandomKeys, cell.Limiter)
			if rounds[cell.Proxy] == nil {
				rounds[cell.Proxy] = map[load.Shape][]int{}
			}
			rounds[cell.Proxy][cell.Load] = append(rounds[cell.Proxy][cell.Load], round)
		}
	}
	for _, proxy := range []string{peers.Equalizer, "nginx", "haproxy"} {
		require.Len(t, rounds[proxy], 8)
		for shape, of := range rounds[proxy] {
			assert.Len(t, of, 30, "%s, %s", proxy, shape)
		}
	}
	for _, proxy := range []string{peers.NoLog, peers.Bare, "nginx, no log", "haproxy, no log"} {
		require.Len(t, rounds[proxy], 2)
		for shape, of := range rounds[proxy] {
			assert.Equal(t, []int{0, 5, 10, 15, 20, 25}, of, "%s, %s", proxy, shape)
		}
	}
	assert.Empty(t, rounds[peers.Large])
	step := load.Shape{Connections: 64, Size: load.Small, After: 500}
	require.Len(t, rounds[peers.Wide], 1)
	assert.Len(t, rounds[peers.Wide][step], 30)
	assert.Equal(t, load.Shape{Rate: 500, Size: load.Small}, step.Before())
}
