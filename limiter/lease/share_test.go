package lease_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/lease"
	"gopher-equalizer/limiter/lease/leasetest"
)

// load is how many requests come, in a second, by the time.
type load func(now time.Duration) float64

// overload is four times the refill.
func overload(time.Duration) float64 { return 200 }

// onAndOff is overload for 10 of 20 seconds, and half of the refill between.
func onAndOff(now time.Duration) float64 {
	if now%(20*time.Second) < 10*time.Second {
		return 200
	}
	return 25
}

// justEnough is what the refill is.
func justEnough(time.Duration) float64 { return 50 }

// Of what one bucket would admit, eight replicas admit almost all, with 70 % of the requests at one
// of them, which is another one every 10 seconds. Nothing in this depends on real time.
func TestShareOfTheIdeal(t *testing.T) {
	f := func(name string, leasing lease.Leasing, requests load, bar float64) {
		t.Run(name, func(t *testing.T) {
			w := newShareWorld(leasing)
			share := w.share(t, requests)
			t.Logf("%.4f of what one bucket admits; %d rounds, %d of them early", share, w.count["round"], w.count["early round"])
			require.GreaterOrEqual(t, share, bar)
		})
	}
	f("ahead, overload", lease.Ahead, overload, 0.95)
	f("ahead, overload on and off", lease.Ahead, onAndOff, 0.95)
	f("ahead, just enough", lease.Ahead, justEnough, 0.95)
	f("trickle, overload", lease.Trickle, overload, 0.97)
	f("trickle, overload on and off", lease.Trickle, onAndOff, 0.97)
	f("trickle, just enough", lease.Trickle, justEnough, 0.97)
}

// newShareWorld is a world in which nothing goes wrong.
func newShareWorld(leasing lease.Leasing) *simWorld {
	w := &simWorld{dice: rand.New(rand.NewPCG(1, 21)), count: map[string]int{}, registered: map[string]simRegistration{}}
	w.book = leasetest.NewBook(func() time.Time { return simDawn.Add(time.Duration(w.now)) })
	w.interval, w.ttl, w.timeout, w.delay = 250*time.Millisecond, 10*time.Second, time.Second, 3*time.Millisecond
	w.addLimit(&simLimit{LimitOptions: lease.LimitOptions{
		Name: "api", Fingerprint: "ip", MaxBuckets: 1000, Leasing: leasing, Wait: 250 * time.Millisecond, OnLoss: lease.Refuse,
		Numbers: lease.Numbers{Settings: gcra.Settings{Capacity: 100, Refill: gcra.Refill{Amount: 50, Per: time.Second}}},
	}}, 1)
	for range 8 {
		w.start()
	}
	return w
}

// share has requests come for a while, and returns what was admitted of them, as a part of what an
// ideal bucket admits of the same ones.
func (w *simWorld) share(t *testing.T, requests load) float64 {
	ideal := &simClient{w: w}
	c, admitted := w.clients[0], 0
	ideal.begin(c.Settings)
	var come func()
	come = func() {
		now := time.Duration(w.now)
		r := w.replicas[w.dice.IntN(len(w.replicas))]
		if w.flip(0.7) {
			r = w.replicas[int(now/(10*time.Second))%len(w.replicas)]
		}
		if ideal.earn(); ideal.level >= 1 {
			ideal.level--
			admitted++
		}
		r.take(c, 1)
		w.after(w.about(time.Duration(float64(time.Second)/requests(now))), come)
	}
	w.after(w.interval, come)
	for w.now < int64(200*time.Second) {
		w.next()
	}
	for _, r := range w.replicas {
		r.abandon()
	}
	require.Positive(t, admitted)
	return float64(w.count["admitted"]) / float64(admitted)
}
