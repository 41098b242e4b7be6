//go:build linux && e2e

package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// markup is a client_id that would be a script if it weren't shown as text.
const markup = "<script>alert(1)</script>"

// The live page in a browser, from its token to a restart of the process.
func TestLivePage(t *testing.T) {
	s := startSite(t)
	v := visit(t, s)
	for _, step := range []struct {
		name string
		does func(*testing.T, *site, visitor)
	}{
		{"token", token},
		{"what is wrong", wrong},
		{"a backend", backend},
		{"a bucket", bucket},
		{"a reload", reload},
		{"curl", curl},
		{"by keys", keyboard},
		{"much to see", much},
		{"widths", widths},
		{"a restart", restart},
	} {
		require.True(t, t.Run(step.name, func(t *testing.T) {
			v := visitor{t, v.tab}
			step.does(t, &site{t, s.bed, s.file, s.proxy, s.admin, s.process}, v)
			assert.Empty(t, v.complaints())
		}))
	}
}

// Without the right token the page has no data, and asks for it.
func token(t *testing.T, _ *site, v visitor) {
	v.sees("!document.querySelector('#login').hidden")
	assert.Equal(t, "true", v.js("document.querySelector('main').hidden"))
	v.fill("#token", "another")
	v.click("#login button")
	v.sees("document.querySelector('#login-fault').textContent === 'That is not the token.'")
	faults := v.complaints() // The browser tells of each 401.
	assert.Len(t, faults, 2)
	for _, fault := range faults {
		assert.Contains(t, fault, "401")
	}
	v.fill("#token", adminToken)
	v.click("#login button")
	v.sees("document.querySelector('main').offsetParent")
	assert.Equal(t, "live", v.text("#link"))
}

// The first line names the broken backend, and the client that is limited, whose client_id is never
// markup.
func wrong(t *testing.T, s *site, v visitor) {
	v.sees("document.querySelector('#faults-title').textContent === '1 of 203 backends is down'")
	assert.Contains(t, v.text("#faults li.grave"), "connection refused")
	assert.Equal(t, "(!) 1 of 203 backends is down - equalizer", v.js("document.title"))
	assert.Equal(t, "✗ down", v.text("#backends tbody td"), "the broken one is the first")

	codes := map[int]int{}
	for range 12 {
		codes[s.request("/", markup)]++
	}
	assert.Equal(t, map[int]int{200: 5, 429: 7}, codes)
	v.sees(fmt.Sprintf("document.querySelector('#faults-title').textContent === '1 of 203 backends is down and %s is limited'", markup))
	v.sees("document.querySelector('#limits div div td').textContent === '" + markup + "'")
	assert.Equal(t, "7", v.text("#limits div div td.number"))
	assert.Equal(t, "1", v.js("document.scripts.length"))
	v.sees("document.querySelector('#rate-chart path.client').getAttribute('d').length > 100")
	v.sees("[...document.querySelectorAll('#process th')].some((th) => th.textContent === 'Listener')")
	v.sees("[...document.querySelectorAll('#process td.name')].some((td) => td.textContent === '" + s.proxy + "')")
}

// A backend's state and weight can be changed, and that undone.
func backend(t *testing.T, s *site, v visitor) {
	var now []struct {
		ID, State string
		Weight    int
		Override  any
	}
	is := func(state string, weight int, overridden bool) {
		t.Helper()
		s.ask("/backends", &now)
		for _, b := range now {
			if strings.HasPrefix(b.ID, "web/") && b.ID == v.js("document.querySelector('#backends select').ariaLabel.slice('state of '.length)") {
				assert.Equal(t, state, b.State)
				assert.Equal(t, weight, b.Weight)
				assert.Equal(t, overridden, b.Override != nil)
				return
			}
		}
		t.Error("the first backend isn't of the pool web")
	}
	done := func() {
		t.Helper()
		v.sees("document.querySelector('#notice').textContent.endsWith(': done')")
		v.js("document.querySelector('#notice').textContent = ''")
	}
	// Where it stands in the table is by its state, so it must be the only one that is down.
	v.choose("#backends select", "drain")
	v.sees("document.querySelector('#confirm').open")
	v.click("#confirm button[value=no]")
	is("ready", 1, false)
	v.choose("#backends input[type=number]", "7")
	done()
	is("ready", 7, true)
	v.sees("!document.querySelector('#backends td:last-child .pair').hidden")
	v.click("#backends td:last-child .pair button")
	done()
	is("ready", 1, false)

	v.choose("#backends select", "maint")
	v.click("#confirm-yes")
	done()
	v.sees("!document.querySelector('#faults-title').textContent.includes('down')")
	s.ask("/backends", &now)
	for _, b := range now {
		if b.State != "ready" {
			require.Equal(t, "maint", b.State)
			select_ := fmt.Sprintf("#backends select[aria-label=%q]", "state of "+b.ID)
			v.sees(fmt.Sprintf("document.querySelector(%q).closest('tr').textContent.includes('maint')", select_))
			v.choose(select_, "ready")
			v.click("#confirm-yes")
			done()
		}
	}
	v.sees("document.querySelector('#faults-title').textContent.includes('down')")
}

// A client's bucket can be found, changed, given a tier, and started over.
func bucket(t *testing.T, s *site, v visitor) {
	type view struct {
		Capacity, Tokens int64
		Tier             string
		Managed          bool
	}
	at := "/buckets/" + strings.ReplaceAll("%3Cscript%3Ealert(1)%3C/script%3E", "/", "%2F") + "?in=client"
	is := func(want view) {
		t.Helper()
		var got view
		s.ask(at, &got)
		assert.Equal(t, want, got)
	}
	submit := func() {
		t.Helper()
		v.click("#bucket-found button")
		v.sees("document.querySelector('#notice').textContent.endsWith(': done')")
		v.js("document.querySelector('#notice').textContent = ''")
	}
	v.click("#limits div div td button")
	v.sees("document.querySelector('#bucket-found h3')?.textContent === '" + markup + "'")
	assert.Equal(t, "5", v.js("document.querySelector('#bucket-found label:nth-of-type(2) input').value"))
	v.fill("#bucket-found label:nth-of-type(2) input", "9")
	submit()
	v.sees("document.querySelector('#bucket-found p').textContent.startsWith('An operator wrote')")
	is(view{Capacity: 9, Managed: true})
	v.choose("#bucket-found select", "gold")
	submit()
	v.sees("document.querySelector('#bucket-found select').value === 'gold'")
	var got view
	s.ask(at, &got)
	assert.Equal(t, "gold", got.Tier)
	assert.EqualValues(t, 50, got.Capacity)
	v.click("#bucket-found button[type=button]:not(.curl)")
	v.click("#confirm-yes")
	v.sees("document.querySelector('#bucket-found p').textContent.startsWith('It has no bucket')")
	assert.Equal(t, 200, s.request("/", markup))

	v.fill("#bucket-client", "nobody yet")
	v.click("#buckets form.tools button")
	v.sees("document.querySelector('#bucket-found h3').textContent === 'nobody yet'")
	// The browser tells of the 404s.
	for _, fault := range v.complaints() {
		assert.Contains(t, fault, "404")
	}
}

// A reload can be looked at before, and done. Mistakes are shown.
func reload(t *testing.T, s *site, v visitor) {
	const preview, do = "#process .tools .pair:nth-of-type(1) button", "#process .tools .pair:nth-of-type(2) button"
	v.click(preview)
	v.sees("document.querySelector('#process pre').textContent === 'A reload would change nothing.'")
	s.change("capacity = 5\n", "capacity = 6\n")
	v.click(preview)
	v.sees("document.querySelector('#process pre').textContent === 'changed limits.client.capacity: 5 -> 6'")
	v.click(do)
	v.click("#confirm-yes")
	v.sees("document.querySelector('#notice').textContent === 'Reloaded'")
	v.sees("[...document.querySelectorAll('#limits td')].some((td) => td.textContent === '6, 1/1m')")
	v.sees("document.querySelector('#last-reload').textContent === 'changed limits.client.capacity: 5 -> 6'")

	s.change("capacity = 6\n", "capacity = -1\n")
	v.click(do)
	v.click("#confirm-yes")
	v.sees("document.querySelector('#process pre').textContent.includes('limits.client.capacity')")
	v.sees("document.querySelector('#faults-title').textContent.includes('the last reload failed')")
	for _, fault := range v.complaints() {
		assert.Contains(t, fault, "422")
	}
	s.change("capacity = -1\n", "capacity = 6\n")
	v.click(do)
	v.click("#confirm-yes")
	v.sees("!document.querySelector('#faults-title').textContent.includes('reload')")
}

// Each button has a command that does the same in a shell.
func curl(t *testing.T, s *site, v visitor) {
	assert.Equal(t, 200, s.request("/", "it's new"))
	v.fill("#bucket-client", "it's new")
	v.click("#buckets form.tools button")
	v.sees("document.querySelector('#bucket-found h3').textContent === \"it's new\"")
	v.fill("#bucket-found input", "3")
	// One button of each kind: rows have the same ones.
	v.js(`(() => { window.kinds = [...document.querySelectorAll("button.curl")].filter((b) => b.offsetParent)
		.filter((b, i, all) => all.findIndex((o) => o.ariaLabel.replace(/ of .*/, "") === b.ariaLabel.replace(/ of .*/, "")) === i); return "" })()`)
	count, err := strconv.Atoi(v.js("window.kinds.length"))
	require.NoError(t, err)
	assert.Equal(t, 16, count)
	for i := range count {
		v.js(fmt.Sprintf("window.kinds[%d].click()", i))
		v.sees("document.querySelector('#curl').open")
		command := v.text("#curl-text")
		v.js("document.querySelector('#curl').close()")
		run := exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(command, "curl ", "curl --fail-with-body --silent --show-error ", 1))
		run.Env = append(os.Environ(), "EQUALIZER_ADMIN_TOKEN="+adminToken)
		out, err := run.CombinedOutput()
		assert.NoError(t, err, "%s\n%s", command, out)
	}
}

// Of many rows few are shown until more are wanted, and the document doesn't grow by samples.
func much(t *testing.T, _ *site, v visitor) {
	rows := func(of string) string { return v.js("document.querySelectorAll('" + of + " tbody tr').length") }
	assert.Equal(t, "28", rows("#backends"), "25 of the pool many, 3 of web")
	assert.Equal(t, "25", rows("#routes"))
	// How long the page's own work of a sample takes isn't judged, but told.
	v.js(`(() => { window.long = []; new PerformanceObserver((list) => window.long.push(...list.getEntries().map((e) => Math.round(e.duration)))).observe({ type: "longtask" });
		window.samples = 0; new MutationObserver(() => window.samples++).observe(document.querySelector("#rate-chart"), { attributes: true, subtree: true }); return "" })()`)
	v.sees("window.samples >= 3")
	t.Logf("tasks over 50 ms while few rows are shown, in ms: %s", v.js("JSON.stringify(window.long)"))

	v.click("#backends .pool:last-child .tools button")
	v.click("#routes .tools button")
	v.sees("document.querySelectorAll('#routes tbody tr').length === 1001")
	assert.Equal(t, "203", rows("#backends"))
	v.sees("window.samples >= 5")
	elements := v.js("document.querySelectorAll('*').length")
	v.js("(() => { window.long = []; window.samples = 0; return '' })()")
	v.sees("window.samples >= 3")
	assert.Equal(t, elements, v.js("document.querySelectorAll('*').length"))
	t.Logf("and while 1,204 rows of %s elements are: %s", elements, v.js("JSON.stringify(window.long)"))

	v.fill("#routes input", "/r/77")
	v.sees("document.querySelectorAll('#routes tbody tr').length === 11")
	v.fill("#backends input[type=search]", "down")
	v.sees("document.querySelectorAll('#backends tbody tr').length === 1")
	v.js("(() => { for (const e of document.querySelectorAll('input[type=search]')) e.value = ''; return '' })()")
	v.click("#routes .tools button")
	v.sees("document.querySelectorAll('#routes tbody tr').length === 25")
}

// The page is never wider than its window, from a phone's to a large one.
func widths(t *testing.T, _ *site, v visitor) {
	for _, width := range []int64{320, 400, 768, 1280, 2560} {
		require.NoError(t, v.do(chromedp.EmulateViewport(width, 900)))
		assert.Equal(t, "true", v.js("document.documentElement.scrollWidth <= innerWidth"), width)
	}
	assert.Equal(t, "skip", v.js("document.querySelector('a, button, input, select').className"), "the keyboard reaches it first")
}

// The page finds a process that was restarted, without being loaded again.
func restart(t *testing.T, s *site, v visitor) {
	v.js("(() => { window.same = 'yes'; return '' })()")
	s.process.Stop()
	v.sees("document.querySelector('#link').className === 'lost'")
	s.start()
	v.sees("document.querySelector('#link').className === 'live'")
	v.sees("document.querySelector('#summary').textContent.includes('up for')")
	v.sees("document.querySelector('#faults-title').textContent.startsWith('1 of 203 backends is down')")
	assert.Equal(t, "yes", v.js("window.same"))
	for _, fault := range v.complaints() {
		assert.Contains(t, fault, "net::ERR_", "the browser tells that it was away")
	}
}
