//go:build e2e

package main

import "testing"

// A gigabyte up and a gigabyte down pass through less than 100 MB of memory.
func TestGigabyteEachWay(t *testing.T) { passEachWay(t, 1<<30) }
