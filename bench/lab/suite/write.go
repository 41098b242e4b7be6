//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"gopher-equalizer/bench/lab/report"
)

// The report's files; its plots are next to them.
const (
	markdownFile = "report.md"
	jsonFile     = "report.json"
)

// write makes the folder of the report anew.
func (c *comparison) write(r report.Report) error {
	files := r.Plots()
	var page bytes.Buffer
	if err := r.Markdown(&page); err != nil {
		return err
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	files[markdownFile], files[jsonFile] = page.Bytes(), append(text, '\n')
	if err := os.RemoveAll(c.out); err != nil {
		return err
	}
	if err := os.MkdirAll(c.out, 0o755); err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(c.out, name), content, 0o644); err != nil {
			return err
		}
	}
	if len(r.Bars) > 0 {
		c.warn(fmt.Sprintf("%d of %d bars are held", r.Held(), len(r.Bars)))
	}
	c.warn("the report: " + filepath.Join(c.out, markdownFile))
	return nil
}
