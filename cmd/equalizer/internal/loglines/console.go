package loglines

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"gopher-equalizer/proxy/outcome"
)

// Console renders lines for people: the time, the level, and what happened, in columns. Requests
// have their status, how long they took and the client before the rest. Text of others can do
// nothing to a terminal.
func Console(colours bool) Renderer {
	return func(to io.Writer, line []byte) {
		l := consoleLine{colours: colours}
		if err := l.read(line); err != nil {
			_, _ = to.Write(line) // Better as it is than not at all. Writing to memory doesn't fail.
			return
		}
		_, _ = to.Write(l.render())
	}
}

// consoleLine is a line on its way to a console.
type consoleLine struct {
	bytes.Buffer
	colours bool
	members []member
}

// member is a member of a JSON object, in its order. The value is as in JSON.
type member struct {
	name  string
	value json.RawMessage
}

func (l *consoleLine) read(line []byte) (err error) {
	l.members, err = membersOf(line)
	return err
}

// membersOf are the members of an object.
func membersOf(object []byte) (all []member, err error) {
	d := json.NewDecoder(bytes.NewReader(object))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, fmt.Errorf("no object: %w", err)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		m := member{name: name.(string)} // Nothing else is a name in JSON.
		if err := d.Decode(&m.value); err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// take removes a member and returns its value as text; "" if there is none.
func (l *consoleLine) take(name string) string {
	for i, m := range l.members {
		if m.name == name {
			l.members = append(l.members[:i:i], l.members[i+1:]...)
			return textOf(m.value)
		}
	}
	return ""
}

// textOf is a value as it may be shown: a,b for an array, {a=b c=d} for an object.
func textOf(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return string(outcome.AppendEscaped(nil, []byte(text)))
	}
	var elements []json.RawMessage
	if json.Unmarshal(value, &elements) == nil && value[0] == '[' {
		return joined(elements)
	}
	members, err := membersOf(value)
	if err != nil {
		return string(outcome.AppendEscaped(nil, value))
	}
	var all []string
	for _, m := range members {
		all = append(all, string(outcome.AppendEscaped(nil, []byte(m.name)))+"="+textOf(m.value))
	}
	return "{" + strings.Join(all, " ") + "}"
}

func joined(elements []json.RawMessage) string {
	var all []string
	for _, e := range elements {
		all = append(all, textOf(e))
	}
	return strings.Join(all, ",")
}

// The colours of a terminal.
const (
	dim, red, green, yellow, blue = "2", "31", "32", "33", "34"
)

// coloured writes text in a colour; "" is none.
func (l *consoleLine) coloured(colour, text string) {
	if l.colours && colour != "" {
		text = "\x1b[" + colour + "m" + text + "\x1b[0m"
	}
	l.WriteString(text)
}

func (l *consoleLine) render() []byte {
	l.coloured(dim, clockOf(l.take("ts")))
	l.WriteByte(' ')
	level := l.take("level")
	l.coloured(colourOfLevel(level), strings.ToUpper(fmt.Sprintf("%-5.5s", level)))
	l.WriteByte(' ')
	message := l.take("msg")
	if request := l.raw("request"); message == "request" && request != nil {
		l.request(request)
	} else {
		l.WriteString(message)
	}
	for _, m := range l.members {
		l.member(m)
	}
	l.WriteByte('\n')
	return l.Bytes()
}

// raw is the value of a member; nil if there is none.
func (l *consoleLine) raw(name string) json.RawMessage {
	for _, m := range l.members {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// clockOf is the time of day of a line's time, text or seconds since 1970, in UTC.
func clockOf(ts string) string {
	if at, err := time.Parse(time.RFC3339, ts); err == nil {
		return at.Format(time.TimeOnly)
	}
	if seconds, err := strconv.ParseFloat(ts, 64); err == nil {
		return time.Unix(int64(seconds), 0).UTC().Format(time.TimeOnly)
	}
	return "--:--:--"
}

func colourOfLevel(level string) string {
	switch level {
	case "warn":
		return yellow
	case "error", "fatal", "panic":
		return red
	case "info":
		return green
	}
	return blue
}

// request writes the columns of a request, and leaves the rest.
func (l *consoleLine) request(object json.RawMessage) {
	of := consoleLine{}
	if of.read(object) != nil {
		return
	}
	l.take("request")
	l.take("request_id")
	status := l.take("status")
	l.coloured(colourOfStatus(status), fmt.Sprintf("%3s", status))
	fmt.Fprintf(l, " %8s  %-15s  ", durationOf(l.take("duration")), of.take("client_ip"))
	method, host, uri := of.take("method"), of.take("host"), of.take("uri")
	if method == "" {
		l.WriteString("-")
		return
	}
	if !strings.HasPrefix(uri, "/") {
		host = "" // The target has one of its own.
	}
	fmt.Fprintf(l, "%-6s %s%s", method, host, uri)
}

func colourOfStatus(status string) string {
	switch status[:min(1, len(status))] {
	case "2", "3":
		return green
	case "4":
		return yellow
	case "5":
		return red
	}
	return ""
}

func (l *consoleLine) member(m member) {
	text := textOf(m.value)
	switch {
	case strings.HasSuffix(m.name, "duration"):
		text = durationOf(text)
	case text == "", strings.Contains(text, " "):
		text = `"` + text + `"`
	}
	l.WriteString("  ")
	l.coloured(dim, string(outcome.AppendEscaped(nil, []byte(m.name)))+"=")
	l.WriteString(text)
}

// durationOf is a number of seconds with three digits at most, such as 98 µs.
func durationOf(seconds string) string {
	s, err := strconv.ParseFloat(seconds, 64)
	if err != nil {
		return seconds
	}
	unit := "s"
	switch {
	case s < 1e-3:
		s, unit = s*1e6, "µs"
	case s < 1:
		s, unit = s*1e3, "ms"
	}
	digits := 0
	if s < 10 {
		digits = 1
	}
	return strconv.FormatFloat(s, 'f', digits, 64) + " " + unit
}
