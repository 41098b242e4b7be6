package balancer

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/store/blob"
)

// fakeBlobs are blobs that may be away, and in which others write.
type fakeBlobs struct {
	mu     sync.Mutex
	values map[string]string
	at     map[string]blob.Revision
	last   blob.Revision
	// away is why calls fail; nil if they don't. inDoubt has a Put that arrives fail.
	away    error
	inDoubt bool
	// beforePut is called by each Put that isn't away.
	beforePut func()
	gets      []time.Time
	puts      int
}

func newFakeBlobs() *fakeBlobs {
	return &fakeBlobs{values: map[string]string{}, at: map[string]blob.Revision{}}
}

func (f *fakeBlobs) Get(_ context.Context, key string) ([]byte, blob.Revision, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gets = append(f.gets, time.Now())
	switch at, found := f.at[key]; {
	case f.away != nil:
		return nil, 0, f.away
	case !found:
		return nil, 0, blob.ErrNotFound
	default:
		return []byte(f.values[key]), at, nil
	}
}

func (f *fakeBlobs) Put(_ context.Context, key string, value []byte, at blob.Revision) (blob.Revision, error) {
	f.mu.Lock()
	before := f.beforePut
	f.mu.Unlock()
	if before != nil {
		before()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.puts++
	switch {
	case f.away != nil:
		return 0, f.away
	case at != blob.Any && at != f.at[key]:
		return 0, blob.ErrRevision
	}
	f.last++
	f.values[key], f.at[key] = string(value), f.last
	if f.inDoubt {
		f.inDoubt = false
		return 0, blob.ErrInDoubt
	}
	return f.last, nil
}

// write is another process's.
func (f *fakeBlobs) write(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	f.values[overridesKey], f.at[overridesKey] = text, f.last
}

// stored is what is stored, without when it was.
func (f *fakeBlobs) stored() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return saidWhen.ReplaceAllString(f.values[overridesKey], "")
}

var saidWhen = regexp.MustCompile(`,"said":[0-9]+`)

func (f *fakeBlobs) setAway(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.away = err
}

func (f *fakeBlobs) setBeforePut(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.beforePut = do
}

// overridden is a world whose overrides are in blobs.
func overridden(blobs Blobs, backends ...BackendSettings) *world {
	w := newWorld()
	w.settings.Backends = backends
	w.settings.Overrides = NewOverrides(w.settings.Logger)
	w.settings.Overrides.Use(blobs, time.Second, 0)
	w.Pool = NewPool(w.settings)
	return w
}

// runAll runs the pool and the overrides until the test is over.
func (w *world) runAll(t *testing.T) {
	w.run(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); w.overrides.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
}

// say is an operator's override, which must succeed.
func (w *world) say(t *testing.T, url string, o Override) BackendStatus {
	t.Helper()
	s, err := w.Override(url, o)
	require.NoError(t, err)
	return s
}

const wantDrain = `{"version":1,"backends":{"default/a":{"state":"drain"}}}`

var errAway = errors.New("connection refused")

func TestOverrideCountsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ready("a"), ready("b"))
		w.Probe(t.Context())
		w.logged(t)
		b := w.byURL("b")
		require.NoError(t, b.begin(0))

		s := w.say(t, "b", Override{Weight: 3})
		assert.Equal(t, []string{"b", "a", "b", "b"}, w.available())
		assert.Equal(t, 3, s.Weight)
		assert.Equal(t, Override{Ready, 1}, s.Configured)
		assert.False(t, s.Stored, "there is no store")
		s = w.say(t, "b", Override{State: Drain})
		assert.Equal(t, []string{"a"}, w.available())
		assert.Equal(t, Override{Drain, 3}, s.Override, "what was said before stays")
		assert.EqualValues(t, 1, s.InFlight, "what runs goes on")
		assert.True(t, s.Healthy)
		w.say(t, "a", Override{State: Drain})
		assert.False(t, w.Healthy())
		assert.Equal(t, []string{
			"info an operator's override is in force: b, ready, 0: ", "info an operator's override is in force: b, drain, 0: ",
			"info an operator's override is in force: a, drain, 0: ", nobody,
		}, w.logged(t))

		s, err := w.ClearOverride("b")
		require.NoError(t, err)
		assert.Equal(t, []string{"b"}, w.available())
		assert.Equal(t, Override{}, s.Override)
		assert.Equal(t, 1, s.Weight)
		assert.True(t, s.Stored)
		assert.Equal(t, []string{"info the configuration counts again, without an override: b, ready, 0: "}, w.logged(t))
	})
}

func TestOverrideThatCannotBe(t *testing.T) {
	w := newWorld(ready("a"))
	f := func(url string, o Override, want string) {
		t.Helper()
		_, err := w.Override(url, o)
		assert.EqualError(t, err, want)
	}
	f("a", Override{Weight: 101}, "unexpected weight 101; want 1 to 100")
	f("a", Override{Weight: -1}, "unexpected weight -1; want 1 to 100")
	f("a", Override{State: "down"}, `unexpected state "down"; want ready, drain or maint`)
	f("b", Override{State: Drain}, ErrNoBackend.Error())
	_, err := w.ClearOverride("b")
	assert.Equal(t, ErrNoBackend, err)
	_, err = w.BackendStatus("b")
	assert.Equal(t, ErrNoBackend, err)
	assert.Equal(t, Override{}, w.Status()[0].Override)
}

// What comes back from maintenance is probed at once, and gets no request before that.
func TestMaintenanceForgetsHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ready("a"), ready("b"))
		w.Probe(t.Context())
		w.run(t)
		pass(time.Minute)
		w.say(t, "b", Override{State: Maint})
		w.mu.Lock()
		before := len(w.asked["b"])
		w.hung["b"] = true
		w.mu.Unlock()
		pass(time.Minute)
		assert.Len(t, w.asked["b"], before, "it is left alone")
		w.logged(t)

		w.say(t, "b", Override{State: Ready})
		synctest.Wait()
		assert.Len(t, w.asked["b"], before+1, "it is probed at once")
		assert.Equal(t, []string{"a"}, w.available(), "and that isn't over")
		w.mu.Lock()
		w.hung["b"] = false
		w.mu.Unlock()
		pass(patient.Timeout)
		assert.Equal(t, []string{"a"}, w.available(), "that failed, so it has to rise")
		pass(time.Minute)
		assert.Equal(t, []string{"a", "b"}, w.available())
	})
}

// A probe that was under way when maintenance began tells nothing of what comes after.
func TestMaintenanceCutsProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ready("a"))
		w.hung["a"] = true
		w.run(t)
		synctest.Wait()
		w.say(t, "a", Override{State: Maint})
		pass(time.Minute)
		assert.False(t, w.byURL("a").health.known())
		assert.Equal(t, []string{
			"info an operator's override is in force: a, maint, 0: ", nobody,
		}, w.logged(t))
	})
}

func TestOverrideIsStoredBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blobs := newFakeBlobs()
		blobs.away = errAway
		w := overridden(blobs, ready("a"), ready("b"))
		w.Probe(t.Context())
		w.logged(t)
		w.runAll(t)
		synctest.Wait()

		s := w.say(t, "a", Override{State: Drain})
		assert.Equal(t, []string{"b"}, w.available())
		assert.False(t, s.Stored)
		pass(10 * time.Minute)
		assert.Equal(t, []string{
			"warn overrides of backends can't be loaded or stored: those of this run count, and it is tried again",
			"info an operator's override is in force: a, drain, 0: ",
		}, w.logged(t))
		assert.False(t, w.Status()[0].Stored)
		assert.False(t, w.Status()[1].Stored, "it is unknown what is stored")

		blobs.setAway(nil)
		pass(maxPause)
		assert.True(t, w.Status()[0].Stored)
		assert.True(t, w.Status()[1].Stored, "there is nothing to store")
		assert.Equal(t, wantDrain, blobs.stored())
		assert.Equal(t, []string{"info overrides of backends are stored"}, w.logged(t))

		_, err := w.ClearOverride("a")
		require.NoError(t, err)
		synctest.Wait()
		assert.Equal(t, `{"version":1,"backends":{}}`, blobs.stored())
		puts := blobs.puts
		_, err = w.ClearOverride("a")
		require.NoError(t, err)
		pass(time.Hour)
		assert.Equal(t, puts, blobs.puts, "what doesn't change isn't stored again")
	})
}

// The pauses between attempts grow, and have a bound.
func TestOverrideIsTriedAgainMoreAndMoreSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blobs := newFakeBlobs()
		blobs.away = errAway
		w := overridden(blobs, ready("a"))
		w.runAll(t)
		w.say(t, "a", Override{Weight: 2})
		pass(time.Hour)
		pause := minPause
		for i := range blobs.gets[1:] {
			gap := blobs.gets[i+1].Sub(blobs.gets[i])
			assert.GreaterOrEqual(t, gap, pause/2)
			assert.LessOrEqual(t, gap, pause)
			pause = min(2*pause, maxPause)
		}
		assert.Greater(t, len(blobs.gets), int(time.Hour/maxPause))
	})
}

// Stored overrides count before the first probe.
func TestOverridesAreLoaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blobs := newFakeBlobs()
		blobs.write(`{"version":1,"backends":{"default/a":{"state":"maint"},"default/b":{"weight":4},"default/gone":{"weight":2},"other/a":{"weight":2}}}`)
		w := overridden(blobs)
		c := w.Prepare(w.changed(ready("a"), ready("b")))
		require.NoError(t, w.overrides.Load(t.Context()))
		c.Probe(t.Context())
		c.Apply()
		assert.Empty(t, w.asked["a"])
		assert.Equal(t, Override{State: Maint}, w.Status()[0].Override)
		assert.Equal(t, 4, w.Status()[1].Weight)
		assert.True(t, w.Status()[1].Stored)
		require.NoError(t, w.overrides.Flush(t.Context()))
		assert.Zero(t, blobs.puts, "a start that fails changes nothing")

		w.runAll(t)
		synctest.Wait()
		assert.Zero(t, blobs.puts, "nor does one that succeeds")
		assert.Contains(t, w.log.String(), `"backends":2,"message":"stored overrides of backends that aren't configured here are kept"`)
		w.say(t, "a", Override{State: Drain})
		synctest.Wait()
		assert.Equal(t, `{"version":1,"backends":{"default/a":{"state":"drain"},"default/b":{"weight":4},"default/gone":{"weight":2},"other/a":{"weight":2}}}`,
			blobs.stored(), "another process may have the others")
		w.change(t, w.changed(ready("a"), ready("gone")))
		assert.Equal(t, 2, w.Status()[1].Weight, "one that comes later has its override at once")
		synctest.Wait()
		assert.Equal(t, `{"version":1,"backends":{"default/a":{"state":"drain"},"default/gone":{"weight":2},"other/a":{"weight":2}}}`,
			blobs.stored(), "the reload that removes a backend drops its override")
	})
}

// Too many overrides of unknown backends make room for others, the oldest first.
func TestTooManyOverridesOfUnknownBackends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blobs := newFakeBlobs()
		var others []string
		for i := range maxUnknown + 2 {
			others = append(others, fmt.Sprintf(`"other/%04d":{"weight":2,"said":%d}`, i, 1_000_000-i))
		}
		blobs.write(`{"version":1,"backends":{"default/a":{"weight":2},` + strings.Join(others, ",") + `}}`)
		w := overridden(blobs, ready("a"), ready("b"))
		require.NoError(t, w.overrides.Load(t.Context()))
		w.runAll(t)
		w.say(t, "b", Override{State: Drain})
		synctest.Wait()
		stored := blobs.values[overridesKey]
		assert.Equal(t, maxUnknown+2, strings.Count(stored, `{"`)-2)
		assert.Contains(t, stored, `"default/a":{"weight":2},`)
		assert.Contains(t, stored, fmt.Sprintf(`"default/b":{"state":"drain","said":%d}`, time.Now().Unix()))
		assert.Contains(t, stored, fmt.Sprintf(`"other/%04d"`, maxUnknown-1))
		assert.Contains(t, w.log.String(), fmt.Sprintf(`"backends":["other/%04d","other/%04d"]`, maxUnknown+1, maxUnknown))
	})
}

// Another store is read once it is used, at the change. What operators said in this process wins
// over what it has, that wins over what was loaded from the one before, and it gets the rest.
func TestOverridesMeetThoseOfAnotherStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := newFakeBlobs(), newFakeBlobs()
		first.write(`{"version":1,"backends":{"default/a":{"state":"drain"},"default/b":{"weight":2},"default/c":{"weight":3},"default/d":{"weight":4}}}`)
		w := overridden(first, ready("a"), ready("b"), ready("c"), ready("d"), ready("e"))
		require.NoError(t, w.overrides.Load(t.Context()))
		w.Probe(t.Context())
		w.runAll(t)
		_, err := w.ClearOverride("a")
		require.NoError(t, err)
		w.say(t, "b", Override{Weight: 9})
		synctest.Wait()

		second.write(`{"version":1,"backends":{"default/a":{"state":"drain"},"default/b":{"weight":8},"default/c":{"weight":8},"default/e":{"state":"maint"}}}`)
		w.overrides.Use(nil, time.Second, 0)
		w.overrides.Use(second, time.Second, 0)
		synctest.Wait()
		var got []string
		for _, s := range w.Status() {
			assert.True(t, s.Stored)
			got = append(got, fmt.Sprint(s.State, s.Weight))
		}
		assert.Equal(t, []string{"ready1", "ready9", "ready8", "ready4", "maint1"}, got)
		const want = `{"version":1,"backends":{"default/b":{"weight":9},"default/c":{"weight":8},"default/d":{"weight":4},"default/e":{"state":"maint"}}}`
		assert.Equal(t, want, second.stored())
		w.say(t, "d", Override{Weight: 5})
		synctest.Wait()
		assert.Equal(t, Ready, w.Status()[0].State, "an unrelated write brings nothing back")
	})
}

// An override of a backend that was removed doesn't come back with another store.
func TestRemovedOverrideIsRemovedFromAnotherStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := newFakeBlobs(), newFakeBlobs()
		second.write(wantDrain)
		w := overridden(first, ready("a"), ready("b"))
		w.runAll(t)
		w.say(t, "a", Override{State: Drain})
		synctest.Wait()
		w.change(t, w.changed(ready("b")))
		w.overrides.Use(second, time.Second, 0)
		synctest.Wait()
		w.change(t, w.changed(ready("a"), ready("b")))
		assert.Equal(t, Ready, w.Status()[0].State)
		assert.Equal(t, `{"version":1,"backends":{}}`, second.stored())
	})
}

// A start with other backends, as in a rolling deploy, leaves another process its overrides.
func TestStartOfAnotherConfigurationKeepsOverrides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blobs := newFakeBlobs()
		one := overridden(blobs, ready("a"))
		one.runAll(t)
		one.say(t, "a", Override{State: Drain})
		synctest.Wait()
		two := overridden(blobs, ready("b"))
		require.NoError(t, two.overrides.Load(t.Context()))
		two.runAll(t)
		two.say(t, "b", Override{Weight: 2})
		synctest.Wait()
		one.say(t, "a", Override{Weight: 3})
		synctest.Wait()
		assert.Equal(t, `{"version":1,"backends":{"default/a":{"state":"drain","weight":3},"default/b":{"weight":2}}}`, blobs.stored())
		assert.Equal(t, Drain, one.Status()[0].State)
	})
}

// A store that is away at the start is read when it is back. What was said meanwhile wins.
func TestOverridesAreLoadedLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blobs := newFakeBlobs()
		blobs.write(`{"version":1,"backends":{"default/a":{"state":"maint"},"default/b":{"weight":4}}}`)
		blobs.away = errAway
		w := overridden(blobs, ready("a"), ready("b"))
		require.ErrorIs(t, w.overrides.Load(t.Context()), errAway)
		w.Probe(t.Context())
		w.runAll(t)
		pass(time.Minute)
		assert.Equal(t, []string{"a", "b"}, w.available(), "the configuration counts")
		w.say(t, "a", Override{State: Drain})
		blobs.setAway(nil)
		pass(maxPause)
		assert.Equal(t, []string{"b"}, w.available())
		assert.Equal(t, 4, w.Status()[1].Weight)
		assert.Equal(t, Override{State: Drain}, w.Status()[0].Override)
		assert.Equal(t, `{"version":1,"backends":{"default/a":{"state":"drain"},"default/b":{"weight":4}}}`, blobs.stored())
	})
}

// A pool is made while the overrides are loaded: it has them all, from the one or from the other.
func TestPoolIsMadeWhileOverridesAreLoaded(t *testing.T) {
	const backends = 200
	stored, s := map[string]storedOverride{}, Settings{Name: "p", Health: patient, NewProber: newWorld().settings.NewProber}
	for i := range backends {
		b := ready(fmt.Sprint("b", i))
		s.Backends = append(s.Backends, b)
		stored["p/"+b.URL] = storedOverride{Override: Override{Weight: 7}}
	}
	blobs := newFakeBlobs()
	blobs.write(string(encodeOverrides(stored)))
	for range 100 {
		s.Overrides = NewOverrides(zerolog.Nop())
		s.Overrides.Use(blobs, time.Second, 0)
		var loads sync.WaitGroup
		loads.Go(func() { assert.NoError(t, s.Overrides.Load(t.Context())) })
		p := NewPool(s)
		loads.Wait()
		for _, b := range p.Status() {
			require.Equal(t, Override{Weight: 7}, b.Override, b.URL)
		}
	}
}

// An override goes with its backend, but not with its backend's TLS.
func TestOverrideOfARemovedBackendGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blobs := newFakeBlobs()
		w := overridden(blobs, ready("a"), ready("b"))
		w.Probe(t.Context())
		w.runAll(t)
		w.say(t, "a", Override{State: Drain})
		w.say(t, "b", Override{Weight: 2})
		synctest.Wait()
		other := ready("a")
		other.TLSIdentity = "2"
		w.change(t, w.changed(other))
		synctest.Wait()
		assert.Equal(t, wantDrain, blobs.stored())
		assert.Equal(t, Drain, w.Status()[0].State)
		w.change(t, w.changed(ready("b")))
		synctest.Wait()
		assert.Equal(t, `{"version":1,"backends":{}}`, blobs.stored())
		assert.Equal(t, []string{"b"}, w.available())

		w.say(t, "b", Override{Weight: 2})
		synctest.Wait()
		stored := blobs.stored()
		w.Close()
		synctest.Wait()
		assert.Equal(t, stored, blobs.stored(), "the configuration still has it")
		w.Remove()
		synctest.Wait()
		assert.Equal(t, `{"version":1,"backends":{}}`, blobs.stored())
	})
}

// Where processes share a store, each hears of what the others say, and of what they take back. One
// that loses a backend leaves the others its override.
func TestSharedOverridesAreReadAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const reread = time.Second
		blobs := newFakeBlobs()
		one, two := overridden(blobs, ready("a"), ready("b")), overridden(blobs, ready("a"), ready("b"))
		for _, w := range []*world{one, two} {
			w.overrides.Use(blobs, time.Second, reread)
			require.NoError(t, w.overrides.Load(t.Context()))
			w.Probe(t.Context())
			w.runAll(t)
		}
		one.say(t, "a", Override{State: Drain})
		pass(reread)
		assert.Equal(t, []string{"b"}, two.available())
		assert.True(t, two.Status()[0].Stored)

		leaving := one.Leaving([]BackendSettings{ready("b")})
		require.Len(t, leaving, 1)
		assert.Equal(t, "default/a: it leaves the configuration, but what an operator said stays, as other replicas may have it: state drain", leaving[0].String())
		one.change(t, one.changed(ready("b")))
		pass(2 * reread)
		assert.Equal(t, wantDrain, blobs.stored())
		assert.Equal(t, []string{"b"}, two.available())
		assert.Equal(t, []Overridden{{"default/a", "state", "ready", "drain"}}, one.Overridden([]BackendSettings{ready("a"), ready("b")}))
		one.change(t, one.changed(ready("a"), ready("b")))
		assert.Equal(t, Drain, one.Status()[0].State, "it comes back as it was said to be")

		blobs.setAway(errAway)
		pass(time.Minute)
		assert.Equal(t, []string{"b"}, two.available(), "the last that it heard counts")
		blobs.setAway(nil)
		pass(maxPause)
		_, err := one.ClearOverride("a")
		require.NoError(t, err)
		pass(reread)
		assert.Equal(t, []string{"a", "b"}, two.available())
	})
}

// What nobody has written since isn't put in force again.
func TestRereadOfTheSameChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blobs := newFakeBlobs()
		blobs.write("{")
		w := overridden(blobs, ready("a"))
		w.overrides.Use(blobs, time.Second, time.Second)
		w.runAll(t)
		pass(time.Minute)
		assert.Equal(t, 1, strings.Count(w.log.String(), "can't be read"))
	})
}

// Where two processes write, both writes are kept, and of one backend the last.
func TestOverridesOfTwoProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blobs := newFakeBlobs()
		blobs.write(wantDrain)
		one, two := overridden(blobs, ready("a"), ready("b"), ready("c")), overridden(blobs, ready("a"), ready("b"), ready("c"))
		for _, w := range []*world{one, two} {
			require.NoError(t, w.overrides.Load(t.Context()))
			w.Probe(t.Context())
			w.runAll(t)
		}
		one.say(t, "b", Override{Weight: 2})
		synctest.Wait()
		two.say(t, "c", Override{Weight: 3})
		synctest.Wait()
		assert.Equal(t, 2, two.Status()[1].Weight, "it learns what the other said")
		one.say(t, "a", Override{State: Maint})
		synctest.Wait()
		_, err := two.ClearOverride("b")
		require.NoError(t, err)
		synctest.Wait()
		assert.Equal(t, `{"version":1,"backends":{"default/a":{"state":"maint"},"default/c":{"weight":3}}}`, blobs.stored())
		one.say(t, "c", Override{State: Drain})
		synctest.Wait()
		assert.Equal(t, 1, one.Status()[1].Weight, "it learns what the other took back")

		// Another one that writes each time.
		blobs.setBeforePut(func() { blobs.write(wantDrain) })
		one.say(t, "b", Override{Weight: 9})
		synctest.Wait()
		assert.False(t, one.Status()[1].Stored)
		assert.Equal(t, 9, one.Status()[1].Weight)
		blobs.setBeforePut(nil)
		pass(time.Minute)
		assert.True(t, one.Status()[1].Stored)
		assert.Equal(t, `{"version":1,"backends":{"default/a":{"state":"drain"},"default/b":{"weight":9}}}`, blobs.stored())
	})
}

// After a write that may have arrived or not, the store is read again.
func TestOverrideInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blobs := newFakeBlobs()
		blobs.inDoubt = true
		w := overridden(blobs, ready("a"))
		w.runAll(t)
		w.say(t, "a", Override{State: Drain})
		synctest.Wait()
		assert.False(t, w.Status()[0].Stored)
		pass(time.Minute)
		assert.True(t, w.Status()[0].Stored)
		assert.Equal(t, wantDrain, blobs.stored())
		assert.Equal(t, 1, blobs.puts)
	})
}

// What can't be read doesn't stop traffic, and is kept aside when an operator's override is stored.
func TestOverridesThatCannotBeRead(t *testing.T) {
	f := func(text, why string) {
		synctest.Test(t, func(t *testing.T) {
			blobs := newFakeBlobs()
			blobs.write(text)
			w := overridden(blobs, ready("a"), ready("b"))
			require.NoError(t, w.overrides.Load(t.Context()))
			assert.Contains(t, w.log.String(), why)
			assert.Contains(t, w.log.String(), `"level":"error"`)
			w.log.Reset()
			w.Probe(t.Context())
			w.runAll(t)
			pass(time.Hour)
			assert.Equal(t, []string{"a", "b"}, w.available())
			assert.Equal(t, text, blobs.stored(), "nothing is overwritten")

			w.log.Reset()
			w.say(t, "a", Override{State: Drain})
			synctest.Wait()
			assert.Equal(t, wantDrain, blobs.stored())
			assert.Equal(t, text, blobs.values[overridesKey+".unread.1"])
			assert.Contains(t, w.log.String(), "kept aside")
			assert.True(t, w.Status()[0].Stored)
		})
	}
	f(`{"version":2,"backends":{}}`, "they have version 2; want 1")
	f(`{}`, "they have version 0; want 1")
	f("", "not the JSON that was wanted: unexpected end of JSON input")
	f(wantDrain[:30], "not the JSON that was wanted: unexpected end of JSON input")
	f(wantDrain+"}", "not the JSON that was wanted: invalid character")
	f(`{"version":1,"backends":{"default/a":{"state":"down"}}}`, `default/a: unexpected state \"down\"; want ready, drain or maint`)
	f(`{"version":1,"backends":{"default/a":{"weight":101}}}`, "default/a: unexpected weight 101; want 1 to 100")
	f(`{"version":1,"backends":{"default/a":{"zone":"b"}}}`, `unknown field \"zone\"`)
}

// Overrides that count are stored again if what was stored is lost.
func TestOverridesOfALostStore(t *testing.T) {
	f := func(lose func(b *fakeBlobs), after string) {
		synctest.Test(t, func(t *testing.T) {
			blobs := newFakeBlobs()
			w := overridden(blobs, ready("a"), ready("b"))
			w.runAll(t)
			w.say(t, "a", Override{State: Drain})
			synctest.Wait()
			lose(blobs)
			w.say(t, "b", Override{Weight: 2})
			synctest.Wait()
			assert.Equal(t, after, blobs.stored())
			assert.Equal(t, Drain, w.Status()[0].State)
			assert.True(t, w.Status()[0].Stored)
		})
	}
	both := strings.TrimSuffix(wantDrain, "}}") + `},"default/b":{"weight":2}}}`
	both = strings.Replace(both, `}},`, `},`, 1)
	f(func(b *fakeBlobs) { delete(b.values, overridesKey); delete(b.at, overridesKey) }, both)
	f(func(b *fakeBlobs) { b.write("x") }, both)
}

func TestFlushStoresAtOnce(t *testing.T) {
	blobs := newFakeBlobs()
	w := overridden(blobs, ready("a"))
	require.NoError(t, w.overrides.Flush(t.Context()))
	assert.Zero(t, blobs.puts)
	w.say(t, "a", Override{State: Drain})
	blobs.away = errAway
	err := w.overrides.Flush(t.Context())
	require.ErrorIs(t, err, errAway)
	assert.ErrorContains(t, err, "1 override not stored: ")
	blobs.away = nil
	require.NoError(t, w.overrides.Flush(t.Context()))
	assert.Equal(t, wantDrain, blobs.stored())
	assert.True(t, w.Status()[0].Stored)

	w.say(t, "a", Override{State: Ready})
	w.overrides.storing <- struct{}{} // another attempt runs
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, w.overrides.Flush(ctx), context.Canceled)
}

// Await waits for what Run stores, and no longer than its context.
func TestAwaitStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blobs := newFakeBlobs()
		w := overridden(blobs, ready("a"))
		w.runAll(t)
		began := time.Now()
		w.overrides.Await(t.Context())
		w.say(t, "a", Override{State: Drain})
		w.overrides.Await(t.Context())
		assert.True(t, w.Status()[0].Stored)
		assert.Zero(t, time.Since(began))

		blobs.setAway(errAway)
		w.say(t, "a", Override{Weight: 2})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		w.overrides.Await(ctx)
		assert.Equal(t, time.Second, time.Since(began))
		blobs.setAway(nil)
		w.overrides.Await(t.Context())
		assert.True(t, w.Status()[0].Stored)
	})
}

// A change says what it changes without effect.
func TestChangeTellsWhatIsOverridden(t *testing.T) {
	w := newWorld(ready("a"), ready("b"))
	w.say(t, "a", Override{Weight: 5, State: Drain})
	other := func(url string, weight int, s State) BackendSettings {
		return BackendSettings{URL: url, Weight: weight, State: s}
	}
	f := func(to []BackendSettings, want ...string) {
		t.Helper()
		c := w.Prepare(w.changed(to...))
		defer c.Discard()
		var got []string
		for _, o := range w.Overridden(c.settings.Backends) {
			got = append(got, o.String())
		}
		assert.Equal(t, want, got)
	}
	f([]BackendSettings{ready("a"), ready("b")})
	f([]BackendSettings{other("b", 7, Maint), ready("n")})
	f([]BackendSettings{other("a", 3, Ready)}, "default/a: the configuration says weight 3, an override says 5")
	f([]BackendSettings{other("a", 3, Maint)}, "default/a: the configuration says weight 3, an override says 5",
		"default/a: the configuration says state maint, an override says drain")
}

// A change says which overrides go with their backends, and so does a pool.
func TestChangeTellsWhatIsDropped(t *testing.T) {
	w := overridden(newFakeBlobs(), ready("a"), ready("b"), ready("c"))
	require.NoError(t, w.overrides.Load(t.Context()))
	w.say(t, "a", Override{Weight: 5, State: Drain})
	w.say(t, "b", Override{Weight: 2})
	f := func(got []Leaving, want ...string) {
		t.Helper()
		var texts []string
		for _, d := range got {
			texts = append(texts, d.String())
		}
		assert.Equal(t, want, texts)
	}
	const a = "default/a: it leaves the configuration, and with it what an operator said: state drain, weight 5"
	const b = "default/b: it leaves the configuration, and with it what an operator said: weight 2"
	change := func(to ...BackendSettings) []Leaving {
		c := w.Prepare(w.changed(to...))
		defer c.Discard()
		return w.Leaving(c.settings.Backends)
	}
	other := ready("a")
	other.TLSIdentity = "2"
	f(change(other, ready("b")))
	f(change(ready("b"), ready("n")), a)
	f(change(), a, b)
	f(w.Leaving(nil), a, b)
}

// What is said while an earlier word is being stored is stored too.
func TestOverrideDuringAPut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blobs := newFakeBlobs()
		w := overridden(blobs, ready("a"))
		w.runAll(t)
		blobs.setBeforePut(func() {
			blobs.setBeforePut(nil)
			w.say(t, "a", Override{State: Drain})
		})
		w.say(t, "a", Override{State: Maint})
		synctest.Wait()
		assert.Equal(t, wantDrain, blobs.stored())
		assert.True(t, w.Status()[0].Stored)
		assert.Equal(t, 2, blobs.puts)
	})
}
