package main

import (
	"cmp"
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// torment is how many rounds there are, from which seed, and where the report goes. TestMain has
// flags for it.
var torment struct {
	rounds  int
	seed    uint64
	report  string // a folder, from the module's
	results bool   // a folder in bench/results, too
}

func tormentFlags() {
	flag.IntVar(&torment.rounds, "rounds", 1, "TestTorture: how many rounds of each scenario")
	flag.Uint64Var(&torment.seed, "seed", 0, "TestTorture: what its random moments come from; 0: another each time")
	flag.StringVar(&torment.report, "report", "", "TestTorture: the folder for a report, in the module's")
	flag.BoolVar(&torment.results, "results", false, "TestTorture: keep the report in bench/results/DATE-torture, too")
}

// scenario is a way to torment a process and its store.
type scenario struct {
	name string
	// limits are those that each request is under.
	limits []tormentedLimit
	// open makes a store for all rounds, and returns what is done to it in each of them.
	open func(t *testing.T) (store string, s strain)
}

// tormentedLimit is a limit of a scenario.
type tormentedLimit struct {
	name     string
	capacity int64
	refill   string
	rate     float64 // the same in tokens a second
	strict   bool    // its durability
}

// mixed are three limits with what can be different in limits: how soon their buckets are full
// again, and what a crash may give back. Buckets of the first limit are often full within a flush
// interval, and then needn't be stored. A strict limit is a fast one, since each crash may leave
// its buckets empty.
func mixed() []tormentedLimit {
	return []tormentedLimit{
		{"default", 60, "20/s", 20, false},
		{"strict", 80, "25/s", 25, true},
		{"slow", 200, "1/1h", 1.0 / 3600, false},
	}
}

func allStrict() []tormentedLimit {
	limits := mixed()[:2]
	for i := range limits {
		limits[i].strict = true
	}
	return append(limits, tormentedLimit{"third", 100, "40/s", 40, true})
}

// strain is what happens in a round, after which the process is killed. mend is called when it is
// dead.
type strain func(r *round, rng *rand.Rand) (mend func())

func scenarios() []scenario {
	return append([]scenario{
		{"bbolt", mixed(), plainBolt},
		{"bbolt, all strict", allStrict(), plainBolt},
		{"PostgreSQL", mixed(), plainPostgres},
		{"PostgreSQL, all strict", allStrict(), plainPostgres},
		{"PostgreSQL that crashes", mixed(), crashingPostgres},
	}, diskScenarios()...)
}

// Load, kill -9 at a random moment, restart: round after round on the same store. No client regains
// more than "What can be lost" in ARCHITECTURE.md allows, no admin write with a response is lost,
// and no request fails, whatever happens to the store.
func TestTorture(t *testing.T) {
	t.Parallel()
	torture(t, torment.rounds)
}

func torture(t *testing.T, rounds int) {
	seed := cmp.Or(torment.seed, rand.Uint64())
	t.Logf("seed %d: -args -seed %d has the same again", seed, seed)
	report := newTortureReport(seed, rounds)
	t.Cleanup(func() { report.write(t) })
	for _, s := range scenarios() {
		result := report.row(s.name)
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.run(t, seed, rounds, result)
		})
	}
}

func (s scenario) run(t *testing.T, seed uint64, rounds int, result *tortureResult) {
	result.started = time.Now()
	name := fnv.New64()
	_, _ = name.Write([]byte(s.name)) // it never fails
	rng := rand.New(rand.NewPCG(seed, name.Sum64()))
	store, strain := s.open(t)
	_, flags := startBackends(t, 1)
	v := newVictims(s, rng, result)
	args := append(flags, "--store", store, "-c", writeFile(t, s.file()))
	p := launch(t, args...)
	v.create(p)
	p.stop()
	for n := range rounds {
		if !t.Run(fmt.Sprint("round ", n+1), func(t *testing.T) { v.round(t, args, strain) }) {
			return
		}
	}
	p = launch(t, args...)
	v.verify(p)
	p.stop()
	result.end(v.operators())
}

// flushInterval is short, so that many kills come in the middle of a flush.
const flushInterval = 100 * time.Millisecond

// file is the configuration, without what flags say.
func (s scenario) file() string {
	var file strings.Builder
	fmt.Fprintf(&file, `
[[listeners]]
listen = "127.0.0.1:0"
protocols = ["h2c", "http/1.1"]
[admin]
listen = "127.0.0.1:0"
[store]
flush_interval = %q
timeout = "2s"
[log]
access = false
`, flushInterval)
	var names []string
	for _, l := range s.limits {
		names = append(names, strconv.Quote(l.name))
		durability := "interval"
		if l.strict {
			durability = "strict"
		}
		fmt.Fprintf(&file, `
[limits.%s]
key = "header:X-Client"
trusted_header = true
secret = false
capacity = %d
refill = %q
durability = %q
`, l.name, l.capacity, l.refill, durability)
	}
	fmt.Fprintf(&file, "\n[[routes]]\npool = \"default\"\nlimits = [%s]\n", strings.Join(names, ", "))
	return file.String()
}

// round is a process from its start to its kill.
type round struct {
	*proxied
	load *tormentedLoad
}

// round starts the process, checks its buckets against what the round before left, and runs the
// strain under load until the process is killed.
func (v *victims) round(t *testing.T, args []string, strain strain) {
	p := launch(t, args...)
	v.verify(p)
	r := &round{p, v.start(p)}
	mend := strain(r, v.rng)
	r.load.killing.Store(true)
	p.kill()
	r.load.clients.Wait()
	mend()
	v.result.Rounds++
}

func plainBolt(t *testing.T) (string, strain) {
	return filepath.Join(t.TempDir(), "buckets.db"), killOnly
}

func plainPostgres(t *testing.T) (string, strain) { return server.Schema(t), killOnly }

// killOnly leaves the store alone.
func killOnly(_ *round, rng *rand.Rand) (mend func()) {
	after(rng, 600*time.Millisecond)
	return func() {}
}

// after is a random time up to most. It is when the next thing happens, and not a wait for
// anything.
func after(rng *rand.Rand, most time.Duration) { <-time.After(time.Duration(rng.Int64N(int64(most)))) }

// crashingPostgres ends the server at once, while batches are on their way to it, and starts it
// again. The process is killed while the server is away, soon after, or when all is stored again.
func crashingPostgres(t *testing.T) (string, strain) {
	c := newCluster(t)
	return c.URL("equalizer"), func(r *round, rng *rand.Rand) (mend func()) {
		after(rng, 400*time.Millisecond)
		require.NoError(r.t, c.Crash())
		after(rng, 400*time.Millisecond)
		if rng.IntN(3) == 0 {
			return func() { require.NoError(r.t, c.Run()) }
		}
		require.NoError(r.t, c.Run())
		if rng.IntN(2) == 0 {
			r.await("the store to be up", func() bool { return r.status().Store.Up })
		}
		after(rng, 400*time.Millisecond)
		return func() {}
	}
}
