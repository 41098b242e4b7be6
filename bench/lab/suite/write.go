//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"

	"gopher-equalizer/bench/lab/report"
)

// The report's files; its plots are next to them.
const (
	markdownFile = "report.md"
	jsonFile     = "report.json"
)

// write writes the report, and what is kept of it.
func (c *comparison) write(r report.Report) error {
	page, err := render(r.Markdown)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	summary, err := render(r.Summary)
	if err != nil {
		return err
	}
	files := r.Plots()
	files[markdownFile], files[jsonFile] = page, append(text, '\n')
	err = c.folders.Write(files, report.Kept{
		Command: r.Command, Started: r.Started, Revision: r.Revision(), Bars: r.Bars,
		Page: summary, Plots: map[string][]byte{report.OverviewPlot: files[report.OverviewPlot]},
	})
	if err != nil {
		return err
	}
	if len(r.Bars) > 0 {
		c.warn(fmt.Sprintf("%d of %d bars are held", r.Held(), len(r.Bars)))
	}
	c.warn("the report: " + filepath.Join(c.folders.All, markdownFile))
	if c.folders.Kept != "" {
		c.warn("what is kept of it: " + c.folders.Kept)
	}
	return nil
}

func render(write func(io.Writer) error) ([]byte, error) {
	var page bytes.Buffer
	err := write(&page)
	return page.Bytes(), err
}
