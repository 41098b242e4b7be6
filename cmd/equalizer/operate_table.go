package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"gopher-equalizer/cmd/equalizer/internal/adminclient"
)

// table is rows of text in columns. The first row is their names.
type table [][]string

// add adds a row of values.
func (t *table) add(values ...any) {
	row := make([]string, len(values))
	for i, v := range values {
		row[i] = fmt.Sprint(v)
	}
	*t = append(*t, row)
}

// String is the table with columns of even width, and no spaces at the ends of lines.
func (t table) String() string {
	var out bytes.Buffer
	columns := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	for _, row := range t {
		for i, cell := range row {
			if row[i] = printable(cell); cell == "" {
				row[i] = "-"
			}
		}
		fmt.Fprintln(columns, strings.Join(row, "\t"))
	}
	_ = columns.Flush() // It writes to memory.
	var trimmed strings.Builder
	for line := range strings.Lines(out.String()) {
		trimmed.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return trimmed.String()
}

// printable is text of others that does nothing to a terminal, and stays in its column: what isn't
// printable is \xHH, byte by byte.
func printable(text string) string {
	isPlain := func(r rune) bool { return unicode.IsPrint(r) && r != utf8.RuneError }
	if strings.IndexFunc(text, func(r rune) bool { return !isPlain(r) }) < 0 {
		return text
	}
	var out strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		if isPlain(r) {
			out.WriteString(text[:size])
		} else {
			for i := range size {
				fmt.Fprintf(&out, `\x%02X`, text[i])
			}
		}
		text = text[size:]
	}
	return out.String()
}

// print writes the API's JSON if --json is given, or else what it is for people.
func (f *adminFlags) print(w io.Writer, r adminclient.Response, people func() string) error {
	if f.json {
		_, err := w.Write(r.Body)
		return err
	}
	_, err := io.WriteString(w, people())
	return err
}

// ago is how long ago a moment was, for people; "" for the zero time.
func ago(at, now time.Time) string {
	if at.IsZero() {
		return ""
	}
	return brief(now.Sub(at)) + " ago"
}

// brief is a duration in its one or two largest units.
func brief(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 0:
		return "0s"
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d < time.Hour:
		return d.Round(time.Second).String()
	case d < day:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	d = d.Round(time.Hour)
	return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
}

// count is a number with the noun, such as "1 change" or "3 changes".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// encoded is a value as the API would send it.
func encoded(value any) (adminclient.Response, error) {
	var body bytes.Buffer
	out := json.NewEncoder(&body)
	out.SetEscapeHTML(false)
	err := out.Encode(value)
	return adminclient.Response{Body: body.Bytes()}, err
}
