// Command prose holds the text of the project to its form: comment lines in Go files and lines of
// Markdown and of config.toml have at most 100 columns, comments use the standard terms, and the
// files and headings that Markdown links to exist. It prints one line for each fault, and exits 1.
//
//	go run ./.ci/prose
//
// Tables, code blocks, headings, and lines with a URL may be wider, since they can't be wrapped.
// Generated files and records of measurements aren't checked: see exempt.
package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
)

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "prose:", err)
		os.Exit(1)
	}
}

// run checks the files that git knows; the working directory is the product's root.
func run(out io.Writer) error {
	names, err := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate").Output()
	if err != nil {
		return fmt.Errorf("git ls-files: %w", err)
	}
	faults := 0
	for name := range strings.Lines(string(names)) {
		found, err := checkFile(strings.TrimSpace(name))
		if err != nil {
			return err
		}
		for _, line := range found {
			fmt.Fprintln(out, line)
		}
		faults += len(found)
	}
	if faults > 0 {
		return fmt.Errorf("%d faults", faults)
	}
	return nil
}

// exempt are the files that a program writes, and the folders of records.
func exempt() []string {
	return []string{"bench/lab/differ/DIFFERENCES.md", "bench/results/"}
}

// checkFile returns the faults of a file; none if there is no check for it.
func checkFile(name string) ([]string, error) {
	check := checkOf(name)
	if check == nil || slices.ContainsFunc(exempt(), func(e string) bool { return strings.HasPrefix(name, e) }) {
		return nil, nil
	}
	data, err := os.ReadFile(name)
	if os.IsNotExist(err) { // deleted, and git doesn't know yet
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the text: %w", err)
	}
	faults, err := check(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if path.Ext(name) == ".md" {
		faults = append(faults, deadLinks(name, data)...)
	}
	lines := make([]string, len(faults))
	for i, f := range faults {
		lines[i] = fmt.Sprintf("%s:%d: %s", name, f.line, f.text)
	}
	return lines, nil
}

// checkOf is the check for files of that name.
func checkOf(name string) func([]byte) ([]fault, error) {
	switch {
	case path.Ext(name) == ".go":
		return checkGo
	case path.Ext(name) == ".md":
		return checkMarkdown
	case path.Base(name) == "config.toml":
		return checkTOML
	}
	return nil
}
