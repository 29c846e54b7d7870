package chart

import (
	"fmt"
	"strings"
)

// The figure's measures in pixels.
const (
	width       = 960.0
	panelHeight = 300.0
	headHeight  = 64.0
	footHeight  = 16.0
	left        = 84.0
	right       = 28.0
	panelTop    = 40.0
	panelBottom = 52.0
)

// Colours that stay apart for the colour-blind: Okabe and Ito, Color Universal Design (2008).
const (
	ink       = "#1f2933"
	faint     = "#6b7785"
	grid      = "#e4e8ec"
	lineBlue  = "#0072b2"
	bandBlue  = "#cfe5f3"
	trendRed  = "#d55e00"
	markColor = "#cc79a7"
)

// Panel is one drawing of a figure.
type Panel interface {
	// draw puts the panel into a frame whose top is at y.
	draw(c *canvas, y float64)
}

// Render draws the panels below each other under a title.
func Render(title, subtitle string, panels []Panel) string {
	height := headHeight + panelHeight*float64(len(panels)) + footHeight
	c := &canvas{}
	c.printf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" role="img" `+
		`font-family="system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif">`+"\n", width, height, width, height)
	c.printf("<title>%s</title>\n", escape(title+": "+subtitle))
	c.printf(`<rect width="%.0f" height="%.0f" fill="#ffffff"/>`+"\n", width, height)
	c.text(left, 30, title, style{size: 18, weight: 600})
	c.text(left, 50, subtitle, style{size: 12, fill: faint})
	for i, panel := range panels {
		panel.draw(c, headHeight+panelHeight*float64(i))
	}
	c.printf("</svg>\n")
	return c.out.String()
}

type canvas struct{ out strings.Builder }

type style struct {
	size   int
	weight int
	fill   string
	anchor string
	turn   bool
}

func (c *canvas) printf(format string, args ...any) { fmt.Fprintf(&c.out, format, args...) }

func (c *canvas) text(x, y float64, text string, s style) {
	if s.fill == "" {
		s.fill = ink
	}
	c.printf(`<text x="%.1f" y="%.1f" font-size="%d" fill="%s"`, x, y, s.size, s.fill)
	if s.weight != 0 {
		c.printf(` font-weight="%d"`, s.weight)
	}
	if s.anchor != "" {
		c.printf(` text-anchor="%s"`, s.anchor)
	}
	if s.turn {
		c.printf(` transform="rotate(-90 %.1f %.1f)"`, x, y)
	}
	c.printf(">%s</text>\n", escape(text))
}

func (c *canvas) line(x1, y1, x2, y2 float64, colour string, strokeWidth float64, dash string) {
	c.printf(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="%.1f"`, x1, y1, x2, y2, colour, strokeWidth)
	if dash != "" {
		c.printf(` stroke-dasharray="%s"`, dash)
	}
	c.printf("/>\n")
}

func (c *canvas) rect(x, y, w, h float64, fill string) {
	c.printf(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n", x, y, w, h, fill)
}

// frame draws title, horizontal grid with its labels, both axis labels, and gives the scale of y.
func (c *canvas) frame(y float64, title, xLabel, yLabel string, from, to float64) scale {
	top, bottom := y+panelTop, y+panelHeight-panelBottom
	scaleY := scale{from, to, bottom, top}
	c.text(left, y+22, shorten(title, 60), style{size: 14, weight: 600})
	values := ticks(from, to, 5)
	for i, label := range tickLabels(values) {
		at := scaleY.at(values[i])
		c.line(left, at, width-right, at, grid, 1, "")
		c.text(left-8, at+4, label, style{size: 11, fill: faint, anchor: "end"})
	}
	c.line(left, bottom, width-right, bottom, ink, 1, "")
	c.text((left+width-right)/2, bottom+40, shorten(xLabel, 80), style{size: 12, fill: faint, anchor: "middle"})
	c.text(22, (top+bottom)/2, shorten(yLabel, 28), style{size: 12, fill: faint, anchor: "middle", turn: true})
	return scaleY
}

// legend entry: draw a sample at x, y.
type entry struct {
	label  string
	sample func(x, y float64)
}

// legend writes the entries from the right end of the panel's first line. The width of a text is estimated: no
// font is at hand to measure it.
func (c *canvas) legend(y float64, entries []entry) {
	x := width - right
	for i := len(entries) - 1; i >= 0; i-- {
		x -= 6.6*float64(len([]rune(entries[i].label))) + 44
		entries[i].sample(x, y+18)
		c.text(x+30, y+22, entries[i].label, style{size: 12, fill: faint})
	}
}

func shorten(text string, most int) string {
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return string(runes[:most-1]) + "…"
}

// escape makes text safe inside an element or an attribute; control characters, which XML has no way to
// write, become spaces.
func escape(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || r == 0xfffe || r == 0xffff {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd"))
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(text)
}
