package plot

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Latency is latencies by percentile, both on scales on which each step is a factor: the tail takes
// as much room as the rest.
type Latency struct {
	Title, Subtitle string
	Lines           []Line
}

// Line is one proxy's.
type Line struct {
	Name   string
	Points []Point
	Style  Style
}

// Point says that Percent of the requests, below 100, took at most Millis.
type Point struct{ Percent, Millis float64 }

// The measures of the plot, in pixels.
const (
	plotLeft   = 64
	plotRight  = 130 // room for the names
	plotHeight = 400
	plotBottom = plotHeight - 52
	nameHeight = 17
)

// frame turns figures into places.
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
			f.right = max(f.right, nines(p.Percent))
			f.low, f.high = min(f.low, p.Millis), max(f.high, p.Millis)
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
			c.text(plotLeft-8, f.y(at)+4, faint, `text-anchor="end" font-size="12"`, short1(at)+" ms")
		}
	}
}

// short1 writes a mark without the noise of binary fractions: 0.02, 5, 200.
func short1(x float64) string { return plain(math.Round(x*1e6) / 1e6) }

func (c *canvas) path(l Line, f frame) {
	var points []string
	for _, p := range l.Points {
		points = append(points, fmt.Sprintf("%.1f,%.1f", f.x(p.Percent), f.y(p.Millis)))
	}
	thickness, dashes := 1.8, ""
	if l.Style.Bold {
		thickness = 3
	}
	if l.Style.Dashed {
		dashes = ` stroke-dasharray="5 4"`
	}
	fmt.Fprintf(c, `<polyline points="%s" fill="none" stroke="%s" stroke-width="%.1f" stroke-linejoin="round"%s/>`+"\n",
		strings.Join(points, " "), l.Style.Colour, thickness, dashes)
}

// names are written at the lines' right ends, moved apart where they would overlap.
func (c *canvas) names(lines []Line, f frame) {
	end := func(l Line) float64 { return f.y(l.Points[len(l.Points)-1].Millis) }
	slices.SortStableFunc(lines, func(a, b Line) int { return cmp.Compare(end(a), end(b)) })
	at := make([]float64, len(lines))
	for i, l := range lines {
		at[i] = end(l)
		if i > 0 {
			at[i] = max(at[i], at[i-1]+nameHeight)
		}
	}
	for i := len(lines) - 1; i >= 0; i-- { // back up from the bottom
		at[i] = min(at[i], plotBottom-nameHeight*float64(len(lines)-1-i))
		l := lines[i]
		weight := ""
		if l.Style.Bold {
			weight = `font-weight="600"`
		}
		last := f.x(l.Points[len(l.Points)-1].Percent)
		c.line(last+2, end(l), width-plotRight+10, at[i], l.Style.Colour, 0.8)
		c.text(width-plotRight+14, at[i]+4.5, l.Style.Colour, weight, l.Name)
	}
}
