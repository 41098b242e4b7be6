//go:build linux

// Command differ plays a corpus of malformed and borderline messages through this proxy, nginx and
// HAProxy. It writes down where they differ, and why this one does what it does.
//
//	make differ
//
// If the others have the same versions as on the page, former outcomes of a case are kept. Delete
// the page to start afresh.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"gopher-equalizer/bench/lab/child"
	"gopher-equalizer/bench/lab/testbed"
)

// file is the page, from the product's root.
const file = child.Lab + "/differ/DIFFERENCES.md"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "differ:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	b, err := open(ctx, (*testbed.Bed).Build)
	if err != nil {
		return err
	}
	defer b.Close()
	for _, line := range b.lacking {
		return fmt.Errorf("%s: the table wants all of them", line)
	}
	t, err := b.compare(true)
	if err != nil {
		return err
	}
	root, err := child.Root(ctx)
	if err != nil {
		return err
	}
	path := filepath.Join(root, file)
	before, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	t.keep(before)
	var page bytes.Buffer
	if err := write(&page, t); err != nil {
		return err
	}
	return os.WriteFile(path, page.Bytes(), 0o644)
}
