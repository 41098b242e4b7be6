package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"gopher-equalizer/config"
)

// errorPage stands in for our own errors of one status.
type errorPage struct {
	contentType string
	body        []byte
}

// loadErrorPages reads a route's error_pages, by status. The problems have the keys of files that
// can't be used; key is the route's.
func loadErrorPages(key string, r config.Route) (map[int]errorPage, []config.Problem) {
	pages := make(map[int]errorPage, len(r.ErrorPages))
	var problems []config.Problem
	for name, file := range r.ErrorPages {
		status, err := strconv.Atoi(name)
		if err != nil {
			continue // No status of ours, which the configuration's checks tell.
		}
		body, err := readErrorPage(file)
		if err != nil {
			problems = append(problems, config.Problem{Key: key + ".error_pages." + name, Text: err.Error()})
			continue
		}
		pages[status] = errorPage{contentType: config.ErrorPageType(file), body: body}
	}
	return pages, problems
}

// readErrorPage reads a file of bounded size. Anything but a file could block, or never end.
func readErrorPage(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file; want one", name)
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(file, int64(config.MaxErrorPage)+1))
	switch err := errors.Join(err, file.Close()); {
	case err != nil:
		return nil, err
	case len(body) > int(config.MaxErrorPage):
		return nil, fmt.Errorf("%s has more than %v; want at most that", name, config.MaxErrorPage)
	case len(body) == 0:
		return nil, fmt.Errorf("%s is empty; want a page", name)
	}
	return body, nil
}

// checkFiles finds the files that would end the start.
func checkFiles(c config.Config) []config.Problem {
	problems := checkTLSFiles(c)
	for i, r := range c.Routes {
		_, found := loadErrorPages("routes["+strconv.Itoa(i)+"]", r)
		problems = append(problems, found...)
	}
	return problems
}
