//go:build linux

// Package measure reads what the kernel knows of processes: their CPU time, their memory, their
// system calls. It never asks the processes themselves.
package measure

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// Tree is a process and all its descendants, by id.
type Tree []int

// TreeOf finds the tree of a process. nginx, for example, does its work in children.
func TreeOf(root int) (Tree, error) {
	tree := Tree{root}
	for i := 0; i < len(tree); i++ {
		children, err := children(tree[i])
		if err != nil {
			return nil, err
		}
		tree = append(tree, children...)
	}
	return tree, nil
}

// children are the processes that any thread of a process started.
func children(pid int) (children []int, err error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("process %d has ended, or the kernel tells of no children", pid)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, os.ErrNotExist) { // a thread may end
			return nil, err
		}
		for _, field := range bytes.Fields(text) {
			child, err := strconv.Atoi(string(field))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			children = append(children, child)
		}
	}
	return children, nil
}
