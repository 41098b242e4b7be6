package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"gopher-equalizer/api"
	"gopher-equalizer/api/live"
	"gopher-equalizer/balancer"
)

// topView is what `equalizer top` shows of two samples, which are so many seconds apart.
type topView struct {
	address     string
	before, now *api.Sample
	point       live.Point
	seconds     float64
}

// The colours of a terminal.
const (
	plainText, boldText, redText, yellowText, greenText = "0", "1", "1;31", "33", "32"
)

// text is the view for a window of this size, in characters. 0 is no bound.
func (v *topView) text(width, height int, colours bool) string {
	lines := []coloured{
		{plainText, fmt.Sprintf("equalizer %s at %s: %s, up for %s", v.now.Status.Version, v.address, v.now.Ready,
			brief(time.Duration(v.now.Status.UptimeSeconds)*time.Second))},
		v.verdict(),
		{plainText, v.traffic()},
	}
	parts := []topTable{v.backends(), v.limits(), v.refused(), v.routes()}
	rows := shares(parts, height-len(lines))
	for i, part := range parts {
		lines = append(lines, part.lines(rows[i])...)
	}
	if height > 0 && len(lines) > height {
		lines = lines[:height]
	}
	return joinLines(lines, width, height > 0, colours)
}

// coloured is a line in a colour of a terminal.
type coloured struct{ colour, text string }

// joinLines cuts lines to a width. On a screen there is no line feed behind the last one, which
// would scroll it.
func joinLines(lines []coloured, width int, screen, colours bool) string {
	var out strings.Builder
	for i, l := range lines {
		if width > 0 && utf8.RuneCountInString(l.text) > width {
			l.text = string([]rune(l.text)[:width])
		}
		if colours && l.colour != plainText {
			l.text = "\x1b[" + l.colour + "m" + l.text + "\x1b[0m"
		}
		out.WriteString(l.text)
		if !screen || i < len(lines)-1 {
			out.WriteByte('\n')
		}
	}
	return out.String()
}

// topTable is a table that shows as many rows as there is room for.
type topTable struct {
	rows table
	// colours are those of rows, without the first one.
	colours []string
}

func (s *topTable) add(colour string, values ...any) {
	s.rows.add(values...)
	s.colours = append(s.colours, colour)
}

// lines are an empty line, the names of the columns, and so many rows; none if there are no rows.
func (s topTable) lines(most int) (lines []coloured) {
	if len(s.colours) == 0 || most <= 0 {
		return nil
	}
	lines = append(lines, coloured{plainText, ""})
	for i, line := range strings.Split(strings.TrimSuffix(s.rows.String(), "\n"), "\n") {
		switch {
		case i == 0:
			lines = append(lines, coloured{boldText, line})
		case i <= most:
			lines = append(lines, coloured{s.colours[i-1], line})
		}
	}
	if more := len(s.colours) - most; more > 0 {
		lines[len(lines)-1] = coloured{plainText, fmt.Sprintf("and %d more", more+1)}
	}
	return lines
}

// shares are how many rows each table may have in so many lines: one after the other gets a row
// until there is no room. Without a bound it is all.
func shares(parts []topTable, lines int) []int {
	rows := make([]int, len(parts))
	const above = 2 // an empty line, and the names of the columns
	for grown := true; grown; {
		grown = false
		for i, part := range parts {
			takes := 1
			if rows[i] == 0 {
				takes += above
			}
			if rows[i] < len(part.colours) && (lines >= takes || lines < 0) {
				rows[i]++
				grown = true
				if lines >= 0 {
					lines -= takes
				}
			}
		}
	}
	return rows
}

// verdict is what is wrong in a line.
func (v *topView) verdict() coloured {
	var grave, mild []string
	down := 0
	for _, b := range v.now.Backends {
		if isDown(b) {
			down++
		}
	}
	if down > 0 {
		grave = append(grave, fmt.Sprintf("%d of %s down", down, count(len(v.now.Backends), "backend")))
	}
	if s := v.now.Status.Store; s != nil && !s.Up {
		grave = append(grave, "the store is away: "+printable(s.Error))
	}
	if s := v.now.Status.Shared; s != nil && s.CutOff {
		grave = append(grave, "it is cut off from the other replicas")
	}
	if len(v.now.Status.Reloads.Mistakes) > 0 {
		grave = append(grave, "the last reload failed")
	}
	for _, name := range slices.Sorted(maps.Keys(v.now.Takes)) {
		if n := v.rate(v.now.Takes[name].Limited, v.before.Takes[name].Limited); n > 0 {
			mild = append(mild, fmt.Sprintf("limit %s refuses %s/s", printable(name), perSecond(n)))
		}
	}
	switch {
	case len(grave) > 0:
		return coloured{redText, strings.Join(append(grave, mild...), ", ")}
	case len(mild) > 0:
		return coloured{yellowText, strings.Join(mild, ", ")}
	}
	return coloured{greenText, "all is well"}
}

// isDown reports whether a backend gets no requests although it should.
func isDown(b api.BackendSample) bool {
	return b.State == balancer.Ready && (!b.Healthy || b.Ejected)
}

// rate is how much a counter has grown in a second.
func (v *topView) rate(now, before int64) float64 {
	if v.seconds <= 0 {
		return 0
	}
	return max(0, float64(now-before)/v.seconds)
}

// perSecond is a rate for people.
func perSecond(rate float64) string {
	if rate > 0 && rate < 10 {
		return fmt.Sprintf("%.1f", rate)
	}
	return fmt.Sprintf("%.0f", rate)
}

// took is a duration in seconds for people.
func took(seconds float64) string {
	if seconds == 0 {
		return "-"
	}
	return time.Duration(seconds * float64(time.Second)).Round(100 * time.Microsecond).String()
}

func (v *topView) traffic() string {
	all, by := int64(0), ""
	for _, class := range slices.Sorted(maps.Keys(v.point.Responses)) {
		n := v.point.Responses[class]
		all += n
		by += fmt.Sprintf("  %s %s", class, perSecond(float64(n)/v.point.Seconds))
	}
	if all > 0 {
		by += fmt.Sprintf("  half within %s, 99 %% within %s", took(v.point.P50), took(v.point.P99))
	}
	return fmt.Sprintf("%s requests/s%s  %d in flight  %s", perSecond(float64(all)/v.point.Seconds), by, v.now.Status.Requests.InFlight, count(int(v.now.Status.Requests.Connections), "connection"))
}

// when is when the sample was taken.
func (v *topView) when() time.Time { return time.UnixMilli(v.point.At) }

func (v *topView) backends() (s topTable) {
	s.rows.add("BACKEND", "POOL", "HEALTH", "REQ/S", "P99", "IN FLIGHT", "FAILED", "WHY")
	all := slices.SortedFunc(maps.Values(v.now.Backends), func(a, b api.BackendSample) int {
		return cmp.Or(order(isDown(b), isDown(a)), cmp.Compare(a.ID, b.ID))
	})
	for _, b := range all {
		colour, health, why := plainText, "up", b.LastProbe
		switch {
		case b.State != balancer.Ready:
			colour, health = yellowText, string(b.State)
		case b.Ejected:
			colour, health, why = redText, "EJECTED", b.EjectedWhy+"; last probe: "+b.LastProbe
		case !b.Healthy:
			colour, health = redText, "DOWN"
		}
		if b.LastProbeAt.IsZero() {
			why += "not probed yet"
		} else {
			why += ", " + ago(b.LastProbeAt.Time, v.when())
		}
		if b.LookupError != "" {
			why += "; lookup: " + b.LookupError
		}
		s.add(colour, b.Name(), b.Pool, health, perSecond(v.rate(b.Requests, v.before.Backends[b.ID].Requests)), took(b.P99), b.InFlight, b.Failures, why)
	}
	return s
}

// order puts true behind false.
func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

func (v *topView) limits() (s topTable) {
	s.rows.add("LIMIT", "ALLOWED/S", "REFUSED/S", "NEARLY/S", "BUCKETS", "CAPACITY", "REFILL")
	for _, name := range slices.Sorted(maps.Keys(v.now.Limits)) {
		l, now, before := v.now.Limits[name], v.now.Takes[name], v.before.Takes[name]
		refused, colour := v.rate(now.Limited, before.Limited), plainText
		if refused > 0 {
			colour = yellowText
		}
		s.add(colour, name, perSecond(v.rate(now.Allowed, before.Allowed)), perSecond(refused), perSecond(v.rate(now.Near, before.Near)),
			l.Buckets, l.Capacity, l.Refill)
	}
	return s
}

func (v *topView) refused() (s topTable) {
	s.rows.add("REFUSED MOST", "LIMIT", "REQUESTS IN 10M", "LAST")
	all := slices.SortedFunc(values(v.now.RefusedMost), func(a, b api.RefusedClient) int {
		return cmp.Or(cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.ClientID, b.ClientID))
	})
	for _, c := range all {
		s.add(plainText, c.ClientID, c.Limit, c.Requests, ago(c.Last.Time, v.when()))
	}
	return s
}

// values are the elements of all lists.
func values[V any](lists map[string][]V) func(func(V) bool) {
	return func(yield func(V) bool) {
		for _, list := range lists {
			for _, one := range list {
				if !yield(one) {
					return
				}
			}
		}
	}
}

func (v *topView) routes() (s topTable) {
	s.rows.add("ROUTE", "REQ/S", "P50", "P99", "4XX/S", "5XX/S", "MATCHES")
	rates := map[string]float64{}
	for name, r := range v.now.Routes {
		for class, n := range r.Responses {
			rates[name] += v.rate(n, v.before.Routes[name].Responses[class])
		}
	}
	names := slices.SortedFunc(maps.Keys(v.now.Routes), func(a, b string) int {
		return cmp.Or(cmp.Compare(rates[b], rates[a]), cmp.Compare(v.now.Routes[a].Place, v.now.Routes[b].Place))
	})
	for _, name := range names {
		r := v.now.Routes[name]
		if r.Place < 0 && rates[name] == 0 {
			continue
		}
		class := func(of string) string {
			return perSecond(v.rate(r.Responses[of], v.before.Routes[name].Responses[of]))
		}
		s.add(plainText, cmp.Or(name, "(none)"), perSecond(rates[name]), took(r.P50), took(r.P99), class("4xx"), class("5xx"),
			cmp.Or(r.Host, "*")+cmp.Or(r.PathPrefix, "/"))
	}
	return s
}
