package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"gopher-equalizer/api"
	"gopher-equalizer/api/live"
	"gopher-equalizer/cmd/equalizer/internal/adminclient"
)

const topUsage = `equalizer top shows what a running process does, once a second: what is wrong, its
backends, routes and limits, and who is refused most. Ctrl-C ends it.

  equalizer top
  equalizer top --once

  --once             show one second and end, as where the output isn't a terminal
` + adminFlagsUsage + `
With --json each sample is a line: all of what GET /events has.
`

// runTop is `equalizer top`.
func runTop(ctx context.Context, args []string, t terminal) (err error) {
	f := newAdminFlags("top", topUsage, t).withJSON()
	once := f.Bool("once", false, "")
	if err := parse(f.flagSet, args); err != nil {
		return err
	}
	w := topScreen{to: t.stdout, json: f.json, once: *once, plain: t.getenv("NO_COLOR") != ""}
	if _, _, isScreen := windowOf(t.stdout); isScreen && !w.once && !w.json {
		w.screen = true
		fmt.Fprint(t.stdout, enterScreen)
		defer fmt.Fprint(t.stdout, leaveScreen)
	} else if !w.json {
		w.once = true
	}
	return f.follow(ctx, t, "/events", w.begin, w.take)
}

// What a terminal is told: to show another screen without a cursor, and to show the former one
// again; to write from the top, to clear the rest of a line, and the rest of the screen.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l"
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	toTheTop    = "\x1b[H"
	restOfLine  = "\x1b[K"
	restOfAll   = "\x1b[J"
)

// topScreen shows samples as they come.
type topScreen struct {
	to                        io.Writer
	json, once, screen, plain bool

	address string
	state   live.State
	before  *api.Sample
	at      int64 // when before was taken, in milliseconds since 1970
}

// begin begins with another stream, which has all in its first sample.
func (w *topScreen) begin(admin *adminclient.Client) {
	w.address, w.state, w.before = admin.Address(), live.State{}, nil
}

// take takes an event.
func (w *topScreen) take(e adminclient.Event) error {
	if e.Name != "change" {
		return nil
	}
	var change live.Change
	d := json.NewDecoder(bytes.NewReader(e.Data))
	d.UseNumber()
	if err := d.Decode(&change); err != nil {
		return fmt.Errorf("the admin API sent an event of another version: %w", err)
	}
	live.Merge(w.state, change.Patch)
	text, err := json.Marshal(w.state)
	if err != nil {
		return err
	}
	if w.json {
		return w.end(fmt.Fprintf(w.to, "%s\n", text))
	}
	sample := new(api.Sample)
	if err := json.Unmarshal(text, sample); err != nil {
		return fmt.Errorf("the admin API sent a sample of another version: %w", err)
	}
	before, seconds := w.before, float64(change.Point.At-w.at)/1000
	w.before, w.at = sample, change.Point.At
	if before == nil { // Rates are those between two samples.
		return nil
	}
	return w.end(w.show(&topView{address: w.address, before: before, now: sample, point: change.Point, seconds: seconds}))
}

// show writes a view, on a screen in place of the one before.
func (w *topScreen) show(v *topView) (int, error) {
	if !w.screen {
		return io.WriteString(w.to, v.text(0, 0, false))
	}
	width, height, _ := windowOf(w.to)
	var out bytes.Buffer
	out.WriteString(toTheTop)
	text := v.text(width, height, !w.plain)
	for line := range bytes.Lines([]byte(text)) {
		out.Write(bytes.TrimSuffix(line, []byte("\n")))
		out.WriteString(restOfLine)
		if len(line) > 0 && line[len(line)-1] == '\n' {
			out.WriteString("\r\n")
		}
	}
	out.WriteString(restOfAll)
	return w.to.Write(out.Bytes())
}

// end is what comes behind a write: the end, if one is enough.
func (w *topScreen) end(_ int, err error) error {
	if err == nil && w.once {
		return errSeen
	}
	return err
}
