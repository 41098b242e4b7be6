package plot

import (
	"math"
	"slices"
)

// Latency plots latencies by percentile, both on logarithmic scales, so that the tail takes as much
// room as the rest. A Point means that X percent of the requests, below 100, took at most Y
// milliseconds.
type Latency struct {
	Title, Subtitle string
	Lines           []Line
}

// frame turns percents and milliseconds into positions.
type frame struct{ right, low, high float64 }

// nines is 1 for 90 %, 2 for 99 %, and so on.
func nines(percent float64) float64 { return -math.Log10(1 - percent/100) }

func (f frame) x(percent float64) float64 {
	return plotLeft + nines(percent)/f.right*(width-plotLeft-plotRight)
}

func (f frame) y(millis float64) float64 {
	return plotBottom - math.Log10(millis/f.low)/math.Log10(f.high/f.low)*(plotBottom-top)
}

// newFrame leaves some room above and below the lines.
func newFrame(lines []Line) frame {
	f := frame{right: 0, low: math.Inf(1), high: 0}
	for _, l := range lines {
		for _, p := range l.Points {
			f.right = max(f.right, nines(p.X))
			f.low, f.high = min(f.low, p.Y), max(f.high, p.Y)
		}
	}
	if f.right == 0 || f.low <= 0 {
		return frame{right: 1, low: 0.01, high: 100}
	}
	f.low, f.high = f.low/1.2, f.high*1.2
	return f
}

// SVG draws it.
func (l Latency) SVG() []byte {
	c := newCanvas(plotHeight, l.Title, l.Subtitle)
	lines := slices.DeleteFunc(slices.Clone(l.Lines), func(l Line) bool { return len(l.Points) == 0 })
	f := newFrame(lines)
	c.percentMarks(f)
	c.milliMarks(f)
	for _, line := range lines {
		c.path(line, f)
	}
	c.names(lines, f)
	return c.finish()
}

func (c *canvas) percentMarks(f frame) {
	for _, p := range []float64{0, 50, 90, 99, 99.9, 99.99} {
		if nines(p) > f.right+0.001 {
			continue
		}
		c.line(f.x(p), top, f.x(p), plotBottom, grid, 1)
		c.text(f.x(p), plotBottom+18, faint, `text-anchor="middle" font-size="12"`, plain(p)+" %")
	}
	c.text((plotLeft+width-plotRight)/2, plotBottom+38, faint, `text-anchor="middle" font-size="12"`, "of the requests took at most so long")
}

func (c *canvas) milliMarks(f frame) {
	factors := []float64{1, 2, 5}
	if f.high/f.low > 1000 {
		factors = factors[:1]
	}
	for power := math.Floor(math.Log10(f.low)); power <= math.Log10(f.high); power++ {
		for _, factor := range factors {
			at := factor * math.Pow(10, power)
			if at < f.low || at > f.high {
				continue
			}
			c.line(plotLeft, f.y(at), width-plotRight, f.y(at), grid, 1)
			c.text(plotLeft-8, f.y(at)+4, faint, `text-anchor="end" font-size="12"`, duration(at))
		}
	}
}

// duration is short enough for the room left of the plot.
func duration(millis float64) string {
	if millis >= 1000 {
		return short1(millis/1000) + " s"
	}
	return short1(millis) + " ms"
}

// short1 writes a mark without the noise of binary fractions: 0.02, 5, 200.
func short1(x float64) string { return plain(math.Round(x*1e6) / 1e6) }
