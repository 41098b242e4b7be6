package config

import (
	"fmt"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"
)

// exposeTo checks the origins whose pages may read our own errors.
func (r *report) exposeTo(key string, origins []string) {
	for i, text := range origins {
		at := element(key, i)
		switch canonical, err := parseOrigin(text); {
		case text == "*" && len(origins) > 1:
			r.add(at, `"*" is every origin; want it alone, or the others without it`)
		case text == "*":
		case err != nil:
			r.add(at, `%s: %v; want an origin such as "https://app.example", or "*"`, show(text), err)
		case canonical != text:
			r.add(at, "%s is not as browsers write it; want %q", show(text), canonical)
		case slices.Index(origins, text) < i:
			r.add(at, "%s is there twice; want each once", show(text))
		}
	}
}

// parseOrigin reads an origin, SCHEME://HOST or SCHEME://HOST:PORT, and returns it as browsers
// write it.
func parseOrigin(text string) (canonical string, err error) {
	scheme, rest, found := strings.Cut(text, "://")
	const schemeBytes = "abcdefghijklmnopqrstuvwxyz+-." + digits
	scheme = strings.ToLower(scheme)
	switch {
	case !found || scheme == "" || !consistsOf(scheme, schemeBytes) || consistsOf(scheme[:1], "+-."+digits):
		return "", fmt.Errorf("no scheme in front")
	case strings.ContainsAny(rest, "/?#@"):
		return "", fmt.Errorf("more than a scheme, a host and a port")
	}
	ports := map[string]string{"http": "80", "https": "443"}
	a, err := parseAddress(rest, "0")
	switch {
	case err != nil:
		return "", err
	case a.host == "":
		return "", errNoHost
	}
	host, port := a.host, (&url.URL{Host: rest}).Port()
	if a.ip.Is6() || strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port == "" || port == ports[scheme] {
		return scheme + "://" + host, nil
	}
	return scheme + "://" + host + ":" + port, nil
}

// errorStatuses are those of our own errors once a request has a route.
var errorStatuses = [...]string{"400", "408", "413", "429", "500", "502", "503", "504", "508"}

// MaxErrorPage is the largest file of error_pages. They are kept in memory.
const MaxErrorPage = 64 * KiB

// errorPages checks which files stand in for which errors. The files are opened by [Options.Check].
func (r *report) errorPages(key string, pages map[string]string) {
	for _, status := range slices.Sorted(maps.Keys(pages)) {
		at, file := join(key, status), pages[status]
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
