//go:build linux

package report

import (
	"slices"

	"gopher-equalizer/bench/lab/load"
	"gopher-equalizer/bench/lab/peers"
)

// Bar is a figure of ours that must not exceed a bar, and one day not an aim.
type Bar struct {
	Figure string `json:"figure"` // what was measured
	Under  string `json:"under"`  // which load
	// Requests is how many requests of all rounds a percentile is taken over; 0 for other figures.
	Requests int64  `json:"requests,omitempty"`
	Against  string `json:"against"` // the peer whose figure it is divided by; empty if it is no ratio
	Unit     string `json:"unit,omitempty"`
	Ratio
	Most    float64 `json:"bar"`
	Aim     float64 `json:"aim"`
	Held    bool    `json:"held"`    // whether the value is within the bar
	Reached bool    `json:"reached"` // whether it is within the aim
}

// Title is the figure, with what it is taken over.
func (b Bar) Title() string {
	if b.Requests > 0 {
		return b.Figure + " of " + load.Thousands(b.Requests) + " requests"
	}
	return b.Figure
}

// limit is a bar and an aim.
type limit struct{ bar, aim float64 }

// bars are the figures of this run that have a bar.
func (r *Report) bars() []Bar {
	var bars []Bar
	for _, figure := range []func(load.Shape) []Bar{r.cpuBars, r.streamBar, r.shakeBar, r.p99Bar, r.p999Bar, r.variantBars, r.stepBar} {
		for _, shape := range r.Loads() {
			bars = append(bars, figure(shape)...)
		}
	}
	return append(bars, r.idleBars()...)
}

// cpuBars are our CPU per request over that of the cheaper of the other proxies: as shipped, over
// those that also log, and bare, over those that don't. A single connection has no bar, since most
// of its cost is waking up. New connections have none either, and those by TLS have shakeBar.
// HTTP/2 has streamBar, and a step has stepBar.
func (r *Report) cpuBars(shape load.Shape) (bars []Bar) {
	if shape.New || shape.Connections == 1 || shape.Streams > 0 || shape.After > 0 {
		return nil
	}
	most := map[load.Size]limit{load.Small: {1, 0.9}, load.Ten: {0.95, 0.85}, load.Mega: {0.55, 0.3}}[shape.Size]
	if shape.TLS {
		most = map[load.Size]limit{load.Small: {1.1, 0.95}, load.Ten: {1.1, 0.95}, load.Mega: {1.15, 1}}[shape.Size]
	}
	for _, figure := range []struct{ name, proxy string }{{shipped, peers.Equalizer}, {bare, peers.Bare}} {
		ours := r.cell(figure.proxy, load.RandomKeys, shape)
		if ours != nil && ours.Summary.Ratio != nil {
			bars = append(bars, most.hold(Bar{
				Figure: figure.name, Under: under(ours), Against: r.cheapest(ours).Proxy, Ratio: *ours.Summary.Ratio,
			}))
		}
	}
	return bars
}

// The figures of cpuBars.
const (
	shipped = "CPU per request, as shipped"
	bare    = "CPU per request, bare"
)

// streamBar is our CPU per request by HTTP/2 over that of the cheaper of the other proxies, with
// one client, as h2load can't be several.
func (r *Report) streamBar(shape load.Shape) []Bar {
	ours := r.cell(peers.Equalizer, load.OneKey, shape)
	if shape.Streams == 0 || ours == nil || ours.Summary.Ratio == nil {
		return nil
	}
	most := map[load.Size]limit{load.Small: {1, 0.85}, load.Ten: {1, 0.9}, load.Mega: {1.15, 1}}[shape.Size]
	if shape.Connections*shape.Streams == 1 {
		most = limit{1.1, 1}
	}
	return []Bar{most.hold(Bar{Figure: shipped, Under: under(ours), Against: r.cheapest(ours).Proxy, Ratio: *ours.Summary.Ratio})}
}

// p99Bar is our 99th percentile over nginx's, in clear: at constant rates, and of small responses
// in closed loops of 8 and 64.
func (r *Report) p99Bar(shape load.Shape) []Bar {
	ours, nginx := r.cell(peers.Equalizer, load.RandomKeys, shape), r.cell("nginx", load.RandomKeys, shape)
	switch shape {
	case load.Shape{Rate: shape.Rate, Size: shape.Size}:
		return limit{1, 0.9}.ratio("p99", ours, nginx, Run.p99)
	case load.Shape{Connections: 8, Size: load.Small}, load.Shape{Connections: 64, Size: load.Small}:
		return limit{1.5, 1}.ratio("p99", ours, nginx, Run.p99)
	}
	return nil
}

// p999Bar is our 99.9th percentile over nginx's at constant rates. It is taken over the requests of
// all rounds, since one round has few slower ones.
func (r *Report) p999Bar(shape load.Shape) []Bar {
	ours, nginx := r.cell(peers.Equalizer, load.RandomKeys, shape), r.cell("nginx", load.RandomKeys, shape)
	if (shape != load.Shape{Rate: shape.Rate, Size: shape.Size}) || ours == nil || nginx == nil {
		return nil
	}
	of, to := common(ours, nginx)
	if len(of) == 0 {
		return nil
	}
	return []Bar{limit{1, 0.9}.hold(Bar{
		Figure: "p99.9", Under: under(ours), Requests: answered(of), Against: nginx.Proxy,
		Ratio: together(len(of), func(left func(all []Run) []Run) float64 {
			return quantileOf(left(of), 99.9) / quantileOf(left(to), 99.9)
		}),
	})}
}

// stepBar are our 99.9th percentiles after a step from little load to the most: as shipped, where
// Go has one processor under little load, and with GOMAXPROCS=16, which it keeps.
func (r *Report) stepBar(shape load.Shape) (bars []Bar) {
	if shape.After == 0 {
		return nil
	}
	for _, proxy := range []struct{ name, figure string }{{peers.Equalizer, "p99.9"}, {peers.Wide, "p99.9, GOMAXPROCS=16"}} {
		if ours := r.cell(proxy.name, load.RandomKeys, shape); ours != nil {
			bars = append(bars, limit{100, 20}.hold(Bar{
				Figure: proxy.figure, Under: under(ours), Requests: answered(ours.Runs), Unit: "ms",
				Ratio: together(len(ours.Runs), func(left func(all []Run) []Run) float64 { return quantileOf(left(ours.Runs), 99.9) }),
			}))
		}
	}
	return bars
}

// shakeBar is our CPU per request with a full handshake over nginx's.
func (r *Report) shakeBar(shape load.Shape) []Bar {
	ours, nginx := r.cell(peers.Equalizer, load.RandomKeys, shape), r.cell("nginx", load.RandomKeys, shape)
	if !shape.TLS || !shape.New {
		return nil
	}
	return limit{1.6, 1.2}.ratio("CPU per full handshake and request", ours, nginx, Run.micros)
}

// variantBars are what the access log, the store on disk, and many limits, pools and routes add to
// our CPU per request.
func (r *Report) variantBars(shape load.Shape) (bars []Bar) {
	for _, key := range []load.Key{load.NoKey, load.RandomKeys} {
		shipped := r.cell(peers.Equalizer, key, shape)
		bars = append(bars, limit{1.15, 1.08}.ratio("CPU per request with the access log", shipped, r.cell(peers.NoLog, key, shape), Run.micros)...)
		bars = append(bars, limit{1.1, 1.03}.ratio("CPU per request with the store on disk", shipped, r.cell(peers.InMemory, key, shape), Run.micros)...)
		bars = append(bars, limit{1.05, 1.02}.ratio("CPU per request with 3 limits, 50 pools, 200 routes", r.cell(peers.Large, key, shape), shipped, Run.micros)...)
	}
	return bars
}

// idleBars are what an idle connection takes.
func (r *Report) idleBars() (bars []Bar) {
	for _, idle := range r.Idle {
		if idle.Proxy != peers.Equalizer {
			continue
		}
		bytes, under := idle.Bytes, load.Thousands(int64(idle.Connections))+" connections"
		most := map[load.Wire]limit{load.Clear: {6.4, 4.4}, load.Secure: {14, 10}, load.HTTP2: {24, 16}}[idle.Wire]
		if idle.Wire != load.Clear {
			under += ", " + string(idle.Wire)
		}
		bars = append(bars, most.hold(Bar{
			Figure: "memory per idle connection", Under: under, Unit: "KiB",
			Ratio: Ratio{Value: bytes.Median / 1024, Min: bytes.Min / 1024, Max: bytes.Max / 1024},
		}))
	}
	return bars
}

// ratio is a bar for the ratio of two cells; none if one of them didn't run.
func (l limit) ratio(name string, of, to *Cell, figure func(Run) float64) []Bar {
	if of == nil || to == nil {
		return nil
	}
	measured := compare(of, to, figure)
	if measured == nil {
		return nil
	}
	return []Bar{l.hold(Bar{Figure: name, Under: under(of), Against: to.Proxy, Ratio: *measured})}
}

func (l limit) hold(b Bar) Bar {
	b.Most, b.Aim, b.Held, b.Reached = l.bar, l.aim, b.Value <= l.bar, b.Value <= l.aim
	return b
}

func under(c *Cell) string { return c.Load.String() + "; limiter " + string(c.Limiter) }

// cell finds a cell that ran.
func (r *Report) cell(proxy string, key load.Key, shape load.Shape) *Cell {
	for _, c := range r.Cells {
		if c.Proxy == proxy && c.Limiter == key && c.Load == shape && c.Summary != nil {
			return c
		}
	}
	return nil
}

// Held counts the bars that are held.
func (r *Report) Held() (held int) {
	for _, b := range r.Bars {
		if b.Held {
			held++
		}
	}
	return held
}

// noises are the noises of all our ratios, the least first.
func (r *Report) noises() (all []float64) {
	for _, c := range r.Cells {
		if c.Role == peers.Ours && c.Summary != nil && c.Summary.Ratio != nil && c.Summary.Ratio.Noise != nil {
			all = append(all, *c.Summary.Ratio.Noise)
		}
	}
	slices.Sort(all)
	return all
}
