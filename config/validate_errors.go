package config

import (
	"maps"
	"path"
	"slices"
	"strings"

	"gopher-equalizer/proxy/rewrite"
)

// exposeTo checks the origins whose pages may read our own errors, each by itself, for its line.
func (r *report) exposeTo(key string, origins []string) {
	for i, text := range origins {
		at := Element(key, i)
		_, err := rewrite.ParseOrigins([]string{text})
		switch {
		case err != nil:
			r.parses(at, err)
		case text == "*" && len(origins) > 1:
			r.add(at, `"*" is every origin; want it alone, or the others without it`)
		case slices.Index(origins, text) < i:
			r.add(at, "%s is there twice; want each once", show(text))
		}
	}
}

// errorStatuses are those of our own errors once a request has a route.
var errorStatuses = [...]string{"400", "408", "413", "429", "500", "502", "503", "504", "508"}

// MaxErrorPage is the largest file of error_pages. They are kept in memory.
const MaxErrorPage = 64 * KiB

// errorPages checks which files stand in for which errors. The files are opened by [Options.Check].
func (r *report) errorPages(key string, pages map[string]string) {
	for _, status := range slices.Sorted(maps.Keys(pages)) {
		at, file := Join(key, status), pages[status]
		switch {
		case !slices.Contains(errorStatuses[:], status):
			r.add(at, "%s is no status of our own errors on a route; want %s", show(status), either(errorStatuses[:]))
		case file == "":
			r.add(at, "there is none; want a file's path, or no page for %s", status)
		case strings.ContainsRune(file, 0):
			r.add(at, "%s has a NUL in it; want a file's path", show(file))
		case ErrorPageType(file) == "":
			r.add(at, "%s: its ending names no media type; want .html, .json or .txt", show(file))
		}
	}
}

// ErrorPageType is the media type of a file of error_pages, by its ending; "" if that is unknown.
func ErrorPageType(file string) string {
	switch path.Ext(file) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".json":
		return "application/json"
	case ".txt":
		return "text/plain; charset=utf-8"
	}
	return ""
}
