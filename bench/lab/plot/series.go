package plot

import "slices"

// Series plots figures over time, from 0. A Point means that after X minutes there was Y of the
// unit.
type Series struct {
	Title, Subtitle string
	Unit            string
	Lines           []Line
}

// extent turns minutes and figures into positions.
type extent struct{ right, high float64 }

func (e extent) x(minutes float64) float64 {
	return plotLeft + minutes/e.right*(width-plotLeft-plotRight)
}

func (e extent) y(value float64) float64 { return plotBottom - value/e.high*(plotBottom-top) }

func newExtent(lines []Line) extent {
	var e extent
	for _, l := range lines {
		for _, p := range l.Points {
			e.right, e.high = max(e.right, p.X), max(e.high, p.Y)
		}
	}
	if e.right == 0 || e.high == 0 {
		return extent{1, 1}
	}
	e.high *= 1.05 // some room above the lines
	return e
}

// SVG draws it.
func (s Series) SVG() []byte {
	c := newCanvas(plotHeight, s.Title, s.Subtitle)
	lines := slices.DeleteFunc(slices.Clone(s.Lines), func(l Line) bool { return len(l.Points) == 0 })
	e := newExtent(lines)
	for at, distance := 0.0, step(e.high, 6); at <= e.high; at += distance {
		c.line(plotLeft, e.y(at), width-plotRight, e.y(at), grid, 1)
		c.text(plotLeft-8, e.y(at)+4, faint, `text-anchor="end" font-size="12"`, short1(at))
	}
	for at, distance := 0.0, step(e.right, 6); at <= e.right; at += distance {
		c.text(e.x(at), plotBottom+18, faint, `text-anchor="middle" font-size="12"`, short1(at))
	}
	c.text((plotLeft+width-plotRight)/2, plotBottom+38, faint, `text-anchor="middle" font-size="12"`, s.Unit+" over minutes")
	for _, line := range lines {
		c.path(line, e)
	}
	c.names(lines, e)
	return c.finish()
}
