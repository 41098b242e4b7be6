package limiter

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// steppedSteps are those of the simulation in CI.
const steppedSteps = "1000000"

// mutantSteps are enough for the simulation to find what is wrong with any mutant.
const mutantSteps = "20000000"

// TestSteppedSimulation is the simulation with a step before each access to a bucket.
func TestSteppedSimulation(t *testing.T) {
	out, err := simulate(t, stepped(t), steppedSteps)
	require.NoError(t, err, out)
	t.Log(out)
}

// mutant is the core with something wrong in it.
type mutant struct {
	file, right, wrong string
}

// mutants are the core broken in every way that the simulation is there to catch, which
// TestSimulationCatchesMutants sees it do.
func mutants() map[string]mutant {
	return map[string]mutant{
		"the dirty mark is cleared after the read": {
			"claim.go", "was := b.arrival.And(^dirty)", "was := b.arrival.Load()\n\tb.arrival.And(^dirty)",
		},
		"no barrier after an ambiguous commit": {
			"doubt.go", "if d == nil {", "if s.doubt.Store(nil); true {",
		},
		"what failed is not dirty again": {
			"collect.go", "\t\ts.table.redirty(b.clientID(), since)", "\t\t_ = b",
		},
		"what a flush did not come to is not queued again": {
			"flush.go", "\t\t\ts.table.putBack(group, since)\n\t\t\ts.table.putBack(dirty.next(dirty.left), since)\n\t\t\ts.flushErrors", "\t\t\t_ = group\n\t\t\ts.flushErrors",
		},
		"what a settled write left is not for the last flush": {
			"flush.go", "err != nil || s.doubt.Load() == nil {", "true {",
		},
		"a clock that stepped back costs what was earned": {
			"load.go", "min(max(0, int64(wall.Sub(r.At))), gcra.MaxSpan)", "min(int64(wall.Sub(r.At)), gcra.MaxSpan)",
		},
		"what is reserved is owed": {
			"load.go", "max(0, held+earnedBy(r, wall))", "held+earnedBy(r, wall)",
		},
		"a bucket is killed by a store": {
			"bucket.go", "if b.arrival.CompareAndSwap(was, dead) {", "if b.arrival.Store(dead); true {",
		},
		"a full bucket is killed by a store": {
			"bucket.go", "was>>1 <= now && b.arrival.CompareAndSwap(was, dead)", "was>>1 <= now && func() bool { b.arrival.Store(dead); return true }()",
		},
		"a dead bucket is written": {
			"collect.go", "b := at.live()\n\tif b == nil || !b.isDirty() {", "b := seen\n\tif b == nil {",
		},
		"a bucket that moved is not written": {
			"collect.go", "b := at.live()", "b := seen",
		},
		"a bucket that moved is spent from": {
			"bucket.go", "if !ok || was < 0 {", "if !ok || was == dead {",
		},
		"a bucket that moves is clean": {
			"move.go", "CompareAndSwap(awaited, word)", "CompareAndSwap(awaited, word&^dirty)",
		},
		"a bucket that moves loses its marks": {
			"move.go", "b.marks.Load() &^ lengthMask", "0",
		},
		"a page that dirty buckets move to is not queued": {
			"move.go", "if word&dirty != 0 {", "if false {",
		},
		"a bucket moves again after a taker moved it": {
			"move.go", "word := p.from.freeze()\n\t\tp.to.arrival.CompareAndSwap(awaited, word)", "word := p.from.freeze()\n\t\tp.to.arrival.Store(word)",
		},
		"the page that a split adds is not locked": {
			"shard.go", "high.mu.Lock() // From the moment it is in the directory, it can be found, and claimed.\n\tdefer high.mu.Unlock()", "",
		},
		"a taker that is late moves a bucket before its page moves": {
			"page.go", "coming == nil || b.arrival.Load() != awaited", "coming == nil",
		},
		"spending is not marked": {
			"bucket.go", "next<<1|was&dirty|mark", "next<<1|was&dirty",
		},
		"a reaped bucket keeps its row": {
			"reap.go", "case b.has(stored):", "case false:",
		},
		"an operator's write forgets what was spent meanwhile": {
			"admin.go", "\treturn p.rate.TAT(p.content(was), at)", "\treturn max(p.stored, p.rate.TAT(p.content(was), at)-p.rate.Interval)",
		},
		"an operator's write leaves what was spent meanwhile clean": {
			"admin.go", "\t\tc.soil(b, now)", "",
		},
		"a limit is raised before its row is stored": {
			"flush.go", "c := s.collect(group, horizon)", "c := s.collect(group, horizon)\n\tc.stored(s.table)",
		},
		"a new limit goes in doubt": {
			"collect.go", "if !errors.Is(why, ErrInDoubt) {", "if errors.Is(why, why) {",
		},
		"a new limit comes to a bucket that takers have": {
			"reserve.go", "b, tat = at.limit(b, now, credit)", "b.setLimit(max(tat, now) + credit)",
		},
		"who has no row starts full after a crash": {
			"load.go", "if stopped.IsZero() && s.o.Strict {", "if s == nil {",
		},
		"who has no row starts full after a stop that follows a crash": {
			"flush.go", "untilFull > 0 {", "untilFull > 0 && s == nil {",
		},
		"what a crash took is given back by a stop": {
			"load.go", "taken := !l.stopped && r.Reserved > 0", "taken := false",
		},
		"a start is not noted": {
			"load.go", "if err := s.note(ctx, Batch{}); err != nil {", "if err := error(nil); err != nil {",
		},
		"an operator's write reserves nothing": {
			"admin.go", "record.Reserved = everything()", "record.Reserved = 0",
		},
		"a row of a bucket that starts empty is deleted": {
			"collect.go", " || c.now < s.table.emptyUntil.Load()\n", "\n",
		},
		"a limit is restored too high": {
			"load.go", "earnedBy(r, wall) - was.Reserved(r.Reserved) // after", "0*earnedBy(r, wall) - was.Reserved(r.Reserved) // after",
		},
	}
}

// TestMutantsAreOfThisCode keeps the mutants with the code that they break, and has the simulation
// catch one.
func TestMutantsAreOfThisCode(t *testing.T) {
	for name, m := range mutants() {
		text, err := os.ReadFile(m.file)
		require.NoError(t, err)
		assert.Equal(t, 1, strings.Count(string(text), m.right), "%s: %s", name, m.right)
	}
	catch(t, mutants()["spending is not marked"])
}

// catch has the simulation find what is wrong with a mutant.
func catch(t *testing.T, m mutant) {
	t.Helper()
	out, err := simulate(t, stepped(t, m), mutantSteps)
	require.Error(t, err, "the simulation found nothing wrong")
	require.Contains(t, out, "simulation: ")
	t.Log(regexp.MustCompile("simulation: .*").FindString(out))
}

// stepped compiles the simulation with stepped words in place of a bucket's atomics, and with what is wrong in a mutant; without
// the other tests.
func stepped(t *testing.T, mutants ...mutant) (binary string) {
	t.Helper()
	dir, overlay := t.TempDir(), map[string]string{}
	edit := func(file string, change func(string) string) {
		path, err := filepath.Abs(file)
		require.NoError(t, err)
		from := path
		if overlay[path] != "" {
			from = overlay[path]
		}
		text, err := os.ReadFile(from)
		require.NoError(t, err)
		overlay[path] = filepath.Join(dir, file)
		require.NoError(t, os.WriteFile(overlay[path], []byte(change(string(text))), 0o600))
	}
	edit("bucket.go", func(text string) string {
		words := regexp.MustCompile(`\batomic\.(Int64|Uint64)\b`)
		require.Len(t, words.FindAllString(text, -1), 2, "the words of a bucket")
		// The length of the client_id never changes. It is read while buckets are sorted, which begin in an order that
		// no seed tells.
		const length = "b.marks.Load() >> idShift"
		require.Equal(t, 1, strings.Count(text, length))
		text = strings.Replace(text, length, "b.marks.Uint64.Load() >> idShift", 1)
		return words.ReplaceAllString(text, "stepped$1") + "\nvar _ atomic.Int64\n"
	})
	for _, m := range mutants {
		edit(m.file, func(text string) string {
			require.Equal(t, 1, strings.Count(text, m.right), "%s: %s", m.file, m.right)
			return strings.Replace(text, m.right, m.wrong, 1)
		})
	}
	tests, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	for _, file := range tests {
		if !strings.HasPrefix(file, "sim_") || file == "sim_mutants_test.go" {
			path, err := filepath.Abs(file)
			require.NoError(t, err)
			overlay[path] = "" // isn't there
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": overlay})
	require.NoError(t, err)
	list := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(list, text, 0o600))
	binary = filepath.Join(dir, "simulation.test")
	out, err := exec.Command("go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", list, "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return binary
}

// simulate runs the simulation, and returns what it says.
func simulate(t *testing.T, binary, steps string) (out string, err error) {
	t.Helper()
	cmd := exec.Command(binary, "-test.run", "^TestSimulation$", "-test.v")
	cmd.Env = append(os.Environ(), simEnv+"="+steps)
	text, err := cmd.CombinedOutput()
	return string(text), err
}
