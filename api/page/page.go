// Package page has the files of the live page, which the admin API serves at /. They are as they
// are in this folder: there is no build step, and nothing is fetched from another host.
//
//	index.html   what there is to see before a first sample has come
//	page.css     how it looks: light and dark, wide and narrow
//	page.js      puts the other modules together
//	stream.js    reads GET /events, and keeps the state by its merge patches
//	calls.js     calls the admin API, and says what curl would
//	dom.js       elements, and tables that change only where the state has
//	chart.js     the charts of the last 15 minutes
//	faults.js    what is wrong now, in words
//	routes.js, backends.js, limits.js, buckets.js, replicas.js, rest.js   the sections
//
// Text from the state is only ever set as text, never as markup.
package page

import (
	"embed"
	"path"
)

//go:embed index.html page.css icon.svg *.js
var files embed.FS

// Root is the path of the page, and Folder where its other files are.
const (
	Root   = "/"
	Folder = "/page/"
)

// Policy is the Content-Security-Policy of the page: scripts and styles from where it is from,
// calls to there, and nothing else.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// types are the media types of files, by what their names end with.
var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".svg":  "image/svg+xml",
	".js":   "text/javascript; charset=utf-8",
}

// File returns a file and its media type by its path on the server; none if there is no such file.
func File(at string) (content []byte, mediaType string) {
	name, found := "index.html", at == Root
	if !found {
		name, found = path.Base(at), at == Folder+path.Base(at)
	}
	content, err := files.ReadFile(name)
	if !found || err != nil {
		return nil, ""
	}
	return content, types[path.Ext(name)]
}
