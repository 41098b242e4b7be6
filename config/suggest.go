package config

import "strings"

// nearest returns the name that was probably meant: the one that takes the fewest edits, if they
// are few for its length. Neither another case nor a dash for an underscore is an edit.
func nearest(name string, names []string) (meant string, ok bool) {
	name = strings.ReplaceAll(strings.ToLower(name), "-", "_")
	least := 0
	for _, candidate := range names {
		n := Edits(name, candidate)
		if n <= max(1, len(candidate)/4) && (!ok || n < least) {
			meant, least, ok = candidate, n, true
		}
	}
	return meant, ok
}

// Edits counts the bytes to insert, delete, replace or swap with their neighbour to turn one word
// into another (optimal string alignment).
func Edits(a, b string) int {
	// Three rows of the usual table: for a[:i-2], a[:i-1] and a[:i] against every b[:j].
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// either lists names for a sentence, such as "a, b or c".
func either(names []string) string { return joinLast(names, " or ") }

// all lists names for a sentence, such as "a, b and c".
func all(names []string) string { return joinLast(names, " and ") }

func joinLast(names []string, word string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + word + names[last]
}
