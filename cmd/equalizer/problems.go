package main

import (
	"errors"
	"fmt"
	"slices"

	"gopher-equalizer/config"
)

// checkFiles finds the files that would end the start.
func checkFiles(c config.Config) []config.Problem {
	_, ofAdmin := loadAdminCertificate(c.Admin)
	_, ofEdge := loadEdge(c)
	found := slices.Concat(checkTLSFiles(c), ofAdmin, ofEdge, checkIssuing(c.TLS.ACME))
	for i, r := range c.Routes {
		_, err := loadPages(i, r.ErrorPages)
		var problems config.Problems
		if errors.As(err, &problems) {
			found = slices.Concat(found, problems)
		}
	}
	return found
}

// warnOfFiles finds what is dubious about the files that a configuration names.
func warnOfFiles(c config.Config) []config.Problem {
	return slices.Concat(warnOfCertificates(c), warnOfOpenStore(c), warnOfOpenFolder(c.TLS.ACME))
}

// problem is a mistake with a key.
func problem(key, format string, args ...any) error {
	return config.Problems{{Key: key, Text: fmt.Sprintf(format, args...)}}
}

// withoutValues is a problem that doesn't quote values of references. One without a source is of
// what was tried with a configuration; config has hidden the values in the others.
func withoutValues(p config.Problem, of config.Sources) config.Problem {
	if p.Source == "" {
		p.Text = of.Redacted(p.Text)
	}
	return p
}
