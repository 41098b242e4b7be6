//go:build e2e

package config

import "testing"

// TestNoReferenceIsEverShownExpanded tries all texts in each place.
func TestNoReferenceIsEverShownExpanded(t *testing.T) { noReferenceIsShown(t, 1) }
