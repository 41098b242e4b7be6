// Package plot draws three kinds of plots as SVG: bars with a spread, figures over time, and
// latencies by percentile. The plots look the same on light and dark pages, and need no script and
// no font.
package plot

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"strconv"
)

// The measures that all plots share, in pixels.
const (
	width  = 840
	margin = 24
	top    = 76 // title and subtitle
)

// The colours of what isn't data.
const (
	ink   = "#1f2328"
	faint = "#656d76"
	grid  = "#e4e7eb"
)

// canvas is an SVG that is being drawn.
type canvas struct{ bytes.Buffer }

// newCanvas begins with a card that has a title.
func newCanvas(height float64, title, subtitle string) *canvas {
	c := &canvas{}
	fmt.Fprintf(c, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %.0f" width="%d" height="%.0f" `, width, height, width, height)
	fmt.Fprintf(c, `font-family="system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif" font-size="13" role="img" aria-label="%s">`+"\n", html.EscapeString(title))
	fmt.Fprintf(c, `<rect x="0.5" y="0.5" width="%d" height="%.0f" rx="8" fill="#ffffff" stroke="%s"/>`+"\n", width-1, height-1, grid)
	c.text(margin, 34, ink, `font-size="18" font-weight="600"`, title)
	c.text(margin, 56, faint, "", subtitle)
	return c
}

func (c *canvas) finish() []byte {
	c.WriteString("</svg>\n")
	return c.Bytes()
}

// text writes at a baseline; attributes are SVG's own.
func (c *canvas) text(x, y float64, colour, attributes, text string) {
	fmt.Fprintf(c, `<text x="%.1f" y="%.1f" fill="%s" %s>%s</text>`+"\n", x, y, colour, attributes, html.EscapeString(text))
}

func (c *canvas) line(x1, y1, x2, y2 float64, colour string, thickness float64) {
	fmt.Fprintf(c, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="%.1f"/>`+"\n", x1, y1, x2, y2, colour, thickness)
}

// step is a round distance between about n marks from 0 to most: 1, 2 or 5 times a power of ten.
func step(most float64, n int) float64 {
	if most <= 0 {
		return 1
	}
	rough := most / float64(n)
	power := math.Pow(10, math.Floor(math.Log10(rough)))
	for _, m := range []float64{1, 2, 5} {
		if rough <= m*power {
			return m * power
		}
	}
	return 10 * power
}

// short writes a figure with three significant digits, and never with an exponent.
func short(x float64) string {
	digits := 0
	if x != 0 {
		digits = max(0, 2-int(math.Floor(math.Log10(math.Abs(x)))))
	}
	return strconv.FormatFloat(x, 'f', digits, 64)
}

// plain writes a mark's figure, without insignificant digits.
func plain(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
