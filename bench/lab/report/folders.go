//go:build linux

package report

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"time"
)

// Folders are for the results of a run.
type Folders struct {
	All  string // gets everything, and is emptied first; git ignores it
	Kept string // gets the few KB that are kept in the tree; empty: nothing is kept
}

// FoldersOf are the folders of a kind of run, from the product's root.
func FoldersOf(kind string, keep bool) Folders {
	f := Folders{All: filepath.Join("bench", "out", kind)}
	if keep {
		f.Kept = filepath.Join("bench", "results", time.Now().Format(time.DateOnly)+"-"+kind)
	}
	return f
}

// Kept is the part of a run's results that is kept in the tree.
type Kept struct {
	Command  string            `json:"command"`
	Started  time.Time         `json:"started"`
	Revision string            `json:"revision"`
	Bars     []Bar             `json:"bars"`
	Page     []byte            `json:"-"` // README.md
	Plots    map[string][]byte `json:"-"` // the ones on the page
}

// Write writes the files of a run, and the kept ones.
func (f Folders) Write(files map[string][]byte, k Kept) error {
	if err := write(f.All, files); err != nil || f.Kept == "" {
		return err
	}
	bars, err := json.MarshalIndent(k, "", " ")
	if err != nil {
		return err
	}
	kept := maps.Clone(k.Plots)
	if kept == nil {
		kept = map[string][]byte{}
	}
	kept["README.md"], kept["bars.json"] = k.Page, append(bars, '\n')
	return write(f.Kept, kept)
}

// write makes a folder anew.
func write(dir string, files map[string][]byte) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
