package balancer

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What is said while the stored overrides can't be loaded yet counts value by value over them, and
// what is taken back or removed meanwhile doesn't come back with them.
func TestOverridesThatAreSaidBeforeTheyAreLoaded(t *testing.T) {
	f := func(stored string, say func(w *world), want, after string) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			blobs := newFakeBlobs()
			blobs.write(`{"version":1,"backends":{` + stored + `}}`)
			blobs.away = errAway
			w := overridden(blobs, ready("a"), ready("b"))
			require.ErrorIs(t, w.overrides.Load(t.Context()), errAway)
			w.runAll(t)
			assert.False(t, w.Status()[0].Stored, "it is unknown what is stored")
			say(w)
			assert.False(t, w.Status()[0].Stored)
			blobs.setAway(nil)
			pass(maxPause)
			assert.Equal(t, want, w.Status()[0].Override.String())
			assert.True(t, w.Status()[0].Stored)
			assert.Equal(t, `{"version":1,"backends":{`+after+`}}`, blobs.stored())
		})
	}
	said := func(all ...Override) func(*world) {
		return func(w *world) {
			for _, o := range all {
				w.say(t, "a", o)
			}
		}
	}
	clears := func(w *world) {
		s, err := w.ClearOverride("a")
		require.NoError(t, err)
		assert.False(t, s.Stored)
	}
	const maint = `"default/a":{"state":"maint"}`
	f(maint, func(*world) {}, "state maint", maint)
	f(maint, clears, "", "")
	f("", clears, "", "")
	f(maint, said(Override{Weight: 7}), "state maint, weight 7", `"default/a":{"state":"maint","weight":7}`)
	f(maint, said(Override{Weight: 7}, Override{State: Drain}), "state drain, weight 7", `"default/a":{"state":"drain","weight":7}`)
	f(maint, said(Override{State: Maint}), "state maint", maint)
	f("", said(Override{Weight: 7}), "weight 7", `"default/a":{"weight":7}`)
	f(maint, func(w *world) { said(Override{Weight: 7})(w); clears(w) }, "", "")
	f(maint, func(w *world) { clears(w); said(Override{Weight: 7})(w) }, "weight 7", `"default/a":{"weight":7}`)
}

// A backend that is removed before the stored overrides are loaded takes its own along, and the
// change says so.
func TestBackendIsRemovedBeforeOverridesAreLoaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blobs := newFakeBlobs()
		blobs.write(`{"version":1,"backends":{"default/a":{"state":"drain"},"other/a":{"weight":2}}}`)
		blobs.away = errAway
		w := overridden(blobs, ready("a"), ready("b"), ready("c"))
		require.ErrorIs(t, w.overrides.Load(t.Context()), errAway)
		w.runAll(t)
		w.say(t, "b", Override{Weight: 5})
		c := w.Prepare(w.changed(ready("c")))
		var texts []string
		for _, d := range w.Leaving(c.settings.Backends) {
			texts = append(texts, d.String())
		}
		assert.Equal(t, []string{
			"default/a: it leaves the configuration, and with it what an operator said: unknown; the stored overrides aren't loaded yet",
			"default/b: it leaves the configuration, and with it what an operator said: weight 5; the stored overrides aren't loaded yet",
		}, texts)
		c.Apply()
		blobs.setAway(nil)
		pass(maxPause)
		assert.Equal(t, `{"version":1,"backends":{"other/a":{"weight":2}}}`, blobs.stored())
		w.change(t, w.changed(ready("a"), ready("c")))
		assert.Equal(t, Ready, w.Status()[0].State)
	})
}
