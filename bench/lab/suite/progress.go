//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
)

// progress shows what is going on: on a terminal in one changing line, elsewhere line by line.
type progress struct {
	to         io.Writer
	terminal   bool
	unfinished bool // there is a line that changes
}

func newProgress(to io.Writer) *progress {
	p := &progress{to: to}
	if file, ok := to.(*os.File); ok {
		info, err := file.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return p
}

// say replaces the changing line.
func (p *progress) say(line string) {
	if p.terminal {
		fmt.Fprintf(p.to, "\r\x1b[Kbench: %.100s", line)
		p.unfinished = true
		return
	}
	fmt.Fprintln(p.to, "bench:", line)
}

// warn writes a line that stays.
func (p *progress) warn(line string) {
	p.done()
	fmt.Fprintln(p.to, "bench:", line)
}

// done ends the line that changes.
func (p *progress) done() {
	if p.unfinished {
		fmt.Fprint(p.to, "\r\x1b[K")
		p.unfinished = false
	}
}
