//go:build linux && e2e

package main

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// press presses keys, one after the other.
func (v visitor) press(keys string) {
	v.t.Helper()
	require.NoError(v.t, v.do(chromedp.KeyEvent(keys)))
}

// focus has the keyboard be at an element.
func (v visitor) focus(selector string) {
	v.t.Helper()
	v.sees(fmt.Sprintf("document.querySelector(%q)?.offsetParent", selector))
	v.js(fmt.Sprintf("document.querySelector(%q).focus()", selector))
}

// isAt waits until the keyboard is at an element.
func (v visitor) isAt(selector string) {
	v.t.Helper()
	v.sees(fmt.Sprintf("document.activeElement === document.querySelector(%q)", selector))
}

// control is what the keyboard is at.
type control struct {
	// Place is its place among all that the keyboard should reach; -1 is none of them.
	Place int
	// What it is, for messages.
	What                    string
	Outlined, InView, Named bool
}

// findControls has window.controls be all that the keyboard should reach, in the page's order, and
// window.here what it is at.
const findControls = `(() => {
	window.controls = [...document.querySelectorAll('a[href], button, input, select, [tabindex="0"]')]
		.filter((e) => e.checkVisibility() && !e.disabled);
	window.here = () => {
		const e = document.activeElement, style = getComputedStyle(e), box = e.getBoundingClientRect();
		return JSON.stringify({
			Place: window.controls.indexOf(e),
			What: e.tagName + ' ' + (e.ariaLabel ?? e.textContent.slice(0, 40)),
			Outlined: e.matches(':focus-visible') && style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1,
			InView: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
			Named: Boolean(e.ariaLabel || e.labels?.length || e.textContent.trim()),
		});
	};
	return window.controls.length;
})()`

// here is what the keyboard is at.
func (v visitor) here() (at control) {
	v.t.Helper()
	require.NoError(v.t, json.Unmarshal([]byte(v.js("window.here()")), &at))
	return at
}

// The keyboard reaches each control in the order of the page, and shows where it is. Enter and the
// space bar operate it, and Escape closes what asks.
func keyboard(t *testing.T, s *site, v visitor) {
	tabs(t, v)
	skips(v)
	asks(t, s, v)
	changes(v)
}

// tabs goes through all controls.
func tabs(t *testing.T, v visitor) {
	var count int
	require.NoError(t, json.Unmarshal([]byte(v.js(findControls)), &count))
	require.Greater(t, count, 100)
	v.js("window.controls[0].focus()")
	for place := 1; place < count; place++ {
		v.press(kb.Tab)
		at := v.here()
		require.Equal(t, place, at.Place, at.What)
		assert.True(t, at.Outlined, "%s has a visible focus", at.What)
		assert.True(t, at.InView, "%s is in view", at.What)
		assert.True(t, at.Named, "%s has a name", at.What)
	}
	t.Logf("the keyboard reaches %d controls", count)
}

// skips goes past the rest to what is wrong, by the first link.
func skips(v visitor) {
	v.focus(".skip")
	v.press(kb.Enter)
	v.isAt("#faults")
}

// asks opens dialogs, and closes them by Escape. Nothing is done then.
func asks(t *testing.T, s *site, v visitor) {
	const curl, reload, state = "#backends h2 button", "#process .tools .pair:nth-of-type(2) button", "#backends select"
	reloads := func() (n int64) {
		t.Helper()
		var status struct{ Reloads struct{ Done int64 } }
		s.ask("/status", &status)
		return status.Reloads.Done
	}
	before := reloads()
	for _, one := range []struct{ control, key, dialog string }{{curl, kb.Enter, "#curl"}, {reload, " ", "#confirm"}, {state, "m", "#confirm"}} {
		v.focus(one.control)
		v.press(one.key)
		v.sees(fmt.Sprintf("document.querySelector(%q).open", one.dialog))
		for range 6 { // It stays there.
			assert.Equal(t, "true", v.js(fmt.Sprintf("[document.querySelector(%q), document.body].some((e) => e === document.activeElement || e.open && e.contains(document.activeElement))", one.dialog)))
			v.press(kb.Tab)
		}
		v.press(kb.Escape)
		v.sees(fmt.Sprintf("!document.querySelector(%q).open", one.dialog))
		v.isAt(one.control)
	}
	assert.Equal(t, "ready", v.js("document.querySelector('"+state+"').value"))
	assert.Equal(t, before, reloads())
	v.js("document.querySelector('#notice').textContent = ''") // that of the reload before
	v.focus(reload)
	v.press(" ")
	v.isAt("#confirm-yes")
	v.press(kb.Enter)
	v.sees("document.querySelector('#notice').textContent === 'Reloaded'")
	assert.Equal(t, before+1, reloads())
}

// changes changes a weight, undoes that, and finds a bucket.
func changes(v visitor) {
	done := func() {
		v.t.Helper()
		v.sees("document.querySelector('#notice').textContent.endsWith(': done')")
		v.js("document.querySelector('#notice').textContent = ''")
	}
	v.focus("#backends input[type=number]")
	v.press(kb.ArrowUp)
	done()
	v.focus("#backends td:last-child .pair button")
	v.press(" ")
	done()
	v.focus("#bucket-client")
	v.js("document.querySelector('#bucket-client').value = ''")
	v.press("by keys" + kb.Enter)
	v.sees("document.querySelector('#bucket-found h3').textContent === 'by keys'")
	for _, fault := range v.complaints() {
		assert.Contains(v.t, fault, "404", "the browser tells that there is no such bucket")
	}
}
