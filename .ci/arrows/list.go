package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// module is the product's, and modules are the folders of those that are checked.
const module = "gopher-equalizer"

func modules() []string { return []string{".", "bench/lab"} }

// Package is one of our packages, by its path from the product's root, with those of our packages
// that it imports.
type Package struct {
	Path    string
	Imports []string
}

// listed is a package as go list describes it.
type listed struct {
	ImportPath string
	Imports    []string
}

// list asks the go command for the packages of all modules.
func list() ([]Package, error) {
	var packages []Package
	for _, folder := range modules() {
		more, err := listModule(folder)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", folder, err)
		}
		packages = append(packages, more...)
	}
	return packages, nil
}

func listModule(folder string) ([]Package, error) {
	cmd := exec.Command("go", "-C", folder, "list", "-json=ImportPath,Imports", "./...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	return decode(bytes.NewReader(out))
}

// decode reads go list's output, one JSON object after the other.
func decode(r io.Reader) ([]Package, error) {
	var packages []Package
	for d := json.NewDecoder(r); ; {
		var l listed
		switch err := d.Decode(&l); {
		case errors.Is(err, io.EOF):
			return packages, nil
		case err != nil:
			return nil, fmt.Errorf("go list's output: %w", err)
		}
		packages = append(packages, l.ours())
	}
}

// ours cuts the product's path off the import paths, and leaves out other packages.
func (l listed) ours() Package {
	const prefix = module + "/"
	p := Package{Path: strings.TrimPrefix(l.ImportPath, prefix)}
	for _, to := range l.Imports {
		if to, ours := strings.CutPrefix(to, prefix); ours {
			p.Imports = append(p.Imports, to)
		}
	}
	return p
}
