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

// Package is one package of the module, by its path in the module, with the module's
// packages that it imports.
type Package struct {
	Path    string
	Imports []string
}

// listed is a package as go list describes it.
type listed struct {
	ImportPath string
	Imports    []string
	Module     struct{ Path string }
}

// list asks the go command for the module's packages.
func list() ([]Package, error) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,Module", "./...")
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

// ours takes the module's path off the import paths, and leaves out what isn't in it.
func (l listed) ours() Package {
	prefix := l.Module.Path + "/"
	p := Package{Path: strings.TrimPrefix(l.ImportPath, prefix)}
	for _, to := range l.Imports {
		if to, ours := strings.CutPrefix(to, prefix); ours {
			p.Imports = append(p.Imports, to)
		}
	}
	return p
}
