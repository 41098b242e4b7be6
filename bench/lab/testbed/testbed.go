//go:build linux

// Package testbed is what the measuring programs have in common: a temporary folder, this
// revision's programs in it, what was started of them, and the end of all that.
package testbed

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gopher-equalizer/bench/lab/child"
)

// The programs, for Build. In the bed they have the last part of their names.
const (
	Equalizer = "./cmd/equalizer"
	Backend   = "./" + child.Lab + "/backend"
	Pump      = "./" + child.Lab + "/pump"
)

// Bed is a folder and what runs in it.
type Bed struct {
	Dir     string
	folders int
	ends    []func()
}

// Open makes a bed. The caller must Close it, also after an error of its methods.
func Open(name string) (*Bed, error) {
	dir, err := os.MkdirTemp("", "equalizer-"+name+"-")
	if err != nil {
		return nil, err
	}
	return &Bed{Dir: dir}, nil
}

// Build builds programs as they are shipped.
func (b *Bed) Build(ctx context.Context, programs ...string) error {
	return child.Build(ctx, b.Dir, programs...)
}

// BuildRacy builds programs with the race detector.
func (b *Bed) BuildRacy(ctx context.Context, programs ...string) error {
	return child.BuildRacy(ctx, b.Dir, programs...)
}

// Program is the path of a program that was built.
func (b *Bed) Program(name string) string { return filepath.Join(b.Dir, filepath.Base(name)) }

// Folder makes a new, empty folder.
func (b *Bed) Folder() (string, error) {
	b.folders++
	dir := filepath.Join(b.Dir, fmt.Sprint(b.folders))
	return dir, os.Mkdir(dir, 0o700)
}

// Start starts a program, in a folder of its own if it names none. It ends with the bed at the
// latest.
func (b *Bed) Start(p child.Program) (*child.Process, error) {
	if p.Dir == "" {
		dir, err := b.Folder()
		if err != nil {
			return nil, err
		}
		p.Dir = dir
	}
	process, err := child.Start(p)
	if err != nil {
		return nil, err
	}
	b.Finally(process.Stop)
	return process, nil
}

// Finally has Close call something, the last first.
func (b *Bed) Finally(end func()) { b.ends = append(b.ends, end) }

// Close ends all that runs and removes the folder.
func (b *Bed) Close() {
	for _, end := range slices.Backward(b.ends) {
		end()
	}
	_ = os.RemoveAll(b.Dir) // in the system's folder for such things
}

// Get is one request on a connection of its own, and returns the response's body. Anything but a
// 200 is an error.
func Get(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.Close = true
	response, err := (&http.Transport{}).RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, response.Status, strings.TrimSpace(string(body)))
	}
	return body, err
}

// GetJSON is Get for JSON, which it reads into v.
func GetJSON(ctx context.Context, url string, v any) error {
	body, err := Get(ctx, url)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, v)
}
