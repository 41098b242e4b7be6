package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gopher-equalizer/api"
	"gopher-equalizer/cmd/equalizer/internal/adminclient"
)

// difference is what `equalizer status --diff` shows.
type difference struct {
	// Overrides are the backends that the API was told something about.
	Overrides []api.Backend `json:"overrides"`
	// File is what a reload would change; null if the file can't be used, for the Mistakes.
	File     *api.Reloaded `json:"file"`
	Mistakes api.Mistakes  `json:"mistakes"`
}

// printDiff prints what isn't as the configuration in force has it.
func (f *adminFlags) printDiff(ctx context.Context, admin *adminclient.Client, t terminal) error {
	var d difference
	if _, err := admin.Get(ctx, "/backends", &d.Overrides); err != nil {
		return err
	}
	d.Overrides = slices.DeleteFunc(d.Overrides, func(b api.Backend) bool { return b.Override == nil })
	var file api.Reloaded
	_, err := admin.Get(ctx, "/config/changes", &file)
	var refused *adminclient.Problem
	switch {
	case err == nil:
		d.File = &file
	case errors.As(err, &refused) && len(refused.Mistakes) > 0:
		d.Mistakes = refused.Mistakes
	default:
		return err
	}
	response, err := encoded(d)
	if err != nil {
		return err
	}
	return f.print(t.stdout, response, d.String)
}

func (d difference) String() string {
	var out strings.Builder
	if len(d.Overrides) > 0 {
		out.WriteString("Said by API, until `equalizer backends reset ID`:\n")
		for _, b := range d.Overrides {
			fmt.Fprintf(&out, "  %s\n", overrideText(b))
		}
	}
	switch {
	case len(d.Mistakes) > 0:
		fmt.Fprintf(&out, "The configuration can't be used any more: what is in force stays.\n%s", indented(d.Mistakes.Error()))
	case len(d.File.Changes) > 0:
		fmt.Fprintf(&out, "The configuration has changed; `equalizer reload` would apply:\n%s", indented(changesText(*d.File)))
	}
	if out.Len() == 0 {
		return "nothing differs: what is in force is what the configuration says\n"
	}
	return out.String()
}

// overrideText is what was said of a backend, and what the configuration says of it.
func overrideText(b api.Backend) string {
	var parts []string
	if b.Override.State != "" {
		parts = append(parts, fmt.Sprintf("state %s, configured %s", b.Override.State, b.Configured.State))
	}
	if b.Override.Weight != 0 {
		parts = append(parts, fmt.Sprintf("weight %d, configured %d", b.Override.Weight, b.Configured.Weight))
	}
	text := b.ID + ": " + strings.Join(parts, "; ")
	if !b.Stored {
		text += "; not stored"
	}
	return text
}

// indented is a text whose lines are set in by two spaces, with a line feed at its end.
func indented(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		out.WriteString("  " + strings.TrimSuffix(line, "\n") + "\n")
	}
	return out.String()
}
