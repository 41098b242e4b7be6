package plot

import (
	"fmt"
	"html"
)

// Bars are figures that start from 0, in groups, one below the other.
type Bars struct {
	Title, Subtitle string
	Unit            string
	Groups          []Group
}

// Group is some bars under one heading.
type Group struct {
	Name string
	Bars []Bar
}

// Bar is one figure, with its spread.
type Bar struct {
	Name            string
	Value, Min, Max float64
	Note            string // printed after the value
	Style           Style
}

// Style is how a proxy's figures look in every plot.
type Style struct {
	Colour string // as in SVG
	Bold   bool
	Dashed bool
}

// The measures of bars, in pixels.
const (
	barLeft   = 180
	barRight  = 130 // room for the figures
	barHeight = 18
	barPitch  = 26
	heading   = 30
)

// SVG draws them.
func (b Bars) SVG() []byte {
	height, most := float64(top+46), 0.0
	for _, g := range b.Groups {
		height += heading + barPitch*float64(len(g.Bars))
		for _, bar := range g.Bars {
			most = max(most, bar.Max)
		}
	}
	scale := func(value float64) float64 {
		if most == 0 {
			return barLeft
		}
		return barLeft + value/most*(width-barLeft-barRight)
	}
	c := newCanvas(height, b.Title, b.Subtitle)
	distance := step(most, 6)
	for at := 0.0; at <= most; at += distance {
		c.line(scale(at), top, scale(at), height-36, grid, 1)
		c.text(scale(at), height-18, faint, `text-anchor="middle" font-size="12"`, short1(at))
	}
	c.text(width-margin, height-18, faint, `text-anchor="end" font-size="12"`, b.Unit)
	y := float64(top)
	for _, g := range b.Groups {
		c.text(margin, y+19, faint, `font-size="12" font-weight="600"`, g.Name)
		y += heading
		for _, bar := range g.Bars {
			c.bar(bar, y, scale)
			y += barPitch
		}
	}
	return c.finish()
}

// bar draws one bar, with a whisker from its least to its greatest value.
func (c *canvas) bar(b Bar, y float64, scale func(float64) float64) {
	weight := ""
	if b.Style.Bold {
		weight = `font-weight="600" `
	}
	middle := y + barHeight/2
	c.text(barLeft-10, middle+4.5, ink, weight+`text-anchor="end"`, b.Name)
	fmt.Fprintf(c, `<rect x="%d" y="%.1f" width="%.1f" height="%d" rx="3" fill="%s"/>`+"\n",
		barLeft, y, max(scale(b.Value)-barLeft, 1), barHeight, b.Style.Colour)
	c.line(scale(b.Min), middle, scale(b.Max), middle, ink, 1.2)
	c.line(scale(b.Min), middle-4, scale(b.Min), middle+4, ink, 1.2)
	c.line(scale(b.Max), middle-4, scale(b.Max), middle+4, ink, 1.2)
	fmt.Fprintf(c, `<text x="%.1f" y="%.1f" fill="%s" %s>%s<tspan dx="7" fill="%s" font-size="12" font-weight="400">%s</tspan></text>`+"\n",
		scale(b.Max)+8, middle+4.5, ink, weight, short(b.Value), faint, html.EscapeString(b.Note))
}
