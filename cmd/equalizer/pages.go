package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"

	"gopher-equalizer/config"
	"gopher-equalizer/proxy"
)

// loadPages reads the error pages of the ith route, by status. The error is config.Problems, with
// the key of each file that can't be used.
func loadPages(i int, files map[string]string) (map[int]proxy.Page, error) {
	var problems config.Problems
	pages := map[int]proxy.Page{}
	for text, file := range files {
		status, err := strconv.Atoi(text)
		if err == nil {
			pages[status], err = loadPage(file)
		}
		if err != nil {
			problems = append(problems, config.Problem{Key: fmt.Sprintf("routes[%d].error_pages.%s", i, text), Text: err.Error()})
		}
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return pages, nil
}

// loadPage reads a file of bounded size. Anything but a file could block, or never end.
func loadPage(name string) (proxy.Page, error) {
	info, err := os.Stat(name)
	if err != nil {
		return proxy.Page{}, err
	}
	if !info.Mode().IsRegular() {
		return proxy.Page{}, fmt.Errorf("%s is no regular file; want one", name)
	}
	file, err := os.Open(name)
	if err != nil {
		return proxy.Page{}, err
	}
	body, err := io.ReadAll(io.LimitReader(file, int64(config.MaxErrorPage)+1))
	switch err := errors.Join(err, file.Close()); {
	case err != nil:
		return proxy.Page{}, err
	case len(body) > int(config.MaxErrorPage):
		return proxy.Page{}, fmt.Errorf("%s has more than %v; want at most that", name, config.MaxErrorPage)
	case len(body) == 0:
		return proxy.Page{}, fmt.Errorf("%s is empty; want a page", name)
	}
	return proxy.Page{MediaType: config.ErrorPageType(name), Content: body}, nil
}

// checkFiles finds the files that would end the start.
func checkFiles(c config.Config) []config.Problem {
	found := checkTLSFiles(c)
	for i, r := range c.Routes {
		_, err := loadPages(i, r.ErrorPages)
		var problems config.Problems
		if errors.As(err, &problems) {
			found = slices.Concat(found, problems)
		}
	}
	return found
}
