package main

import (
	"fmt"
	"strconv"

	"gopher-equalizer/config"
	"gopher-equalizer/proxy"
	"gopher-equalizer/proxy/regular"
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

// loadPage reads one page.
func loadPage(name string) (proxy.Page, error) {
	body, err := regular.Read(name, int64(config.MaxErrorPage))
	if err != nil {
		return proxy.Page{}, err
	}
	if len(body) == 0 {
		return proxy.Page{}, fmt.Errorf("%s is empty; want a page", name)
	}
	return proxy.Page{MediaType: config.ErrorPageType(name), Content: body}, nil
}
