package plot

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Line has the points of one name.
type Line struct {
	Name   string
	Points []Point
	Style  Style
}

// Point is a place on a line, in the plot's units.
type Point struct{ X, Y float64 }

// The measures of plots with lines, in pixels.
const (
	plotLeft   = 64
	plotRight  = 170 // room for the names, "equalizer, access log" is the longest
	plotHeight = 400
	plotBottom = plotHeight - 52
	nameHeight = 17
)

// axes turn figures into positions.
type axes interface {
	x(float64) float64
	y(float64) float64
}

func (c *canvas) path(l Line, ax axes) {
	var points []string
	for _, p := range l.Points {
		points = append(points, fmt.Sprintf("%.1f,%.1f", ax.x(p.X), ax.y(p.Y)))
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

// names are written at the lines' right ends, and moved apart if they would overlap.
func (c *canvas) names(lines []Line, ax axes) {
	end := func(l Line) float64 { return ax.y(l.Points[len(l.Points)-1].Y) }
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
		last := ax.x(l.Points[len(l.Points)-1].X)
		c.line(last+2, end(l), width-plotRight+10, at[i], l.Style.Colour, 0.8)
		c.text(width-plotRight+14, at[i]+4.5, l.Style.Colour, weight, l.Name)
	}
}
