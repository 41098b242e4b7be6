package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The flags and files that the README shows under "Running it" are valid, and without warnings.
func TestExamplesOfTheReadmeCheck(t *testing.T) {
	page := readme(t)
	_, page, ok := strings.Cut(page, "\n## Running it\n")
	require.True(t, ok)
	page, _, _ = strings.Cut(page, "\n## ")

	command := regexp.MustCompile(`(?m)^equalizer (--backend(?:\\\n|.)*)$`).FindStringSubmatch(page)
	require.NotNil(t, command)
	checksClean(t, strings.Fields(strings.ReplaceAll(command[1], "\\\n", " "))...)

	files := regexp.MustCompile("(?s)```toml\n(.*?)```").FindAllStringSubmatch(page, -1)
	require.Len(t, files, 2)
	checksClean(t, "-c", writeFile(t, files[0][1]))

	// A check opens certificates, so those of the example must exist.
	checked, _, _ := strings.Cut(files[1][1], "[pools.default.tls]")
	checksClean(t, "-c", writeFile(t, checked))
}

func checksClean(t *testing.T, args ...string) {
	t.Helper()
	var out bytes.Buffer
	err := runCheck(args, terminal{stdout: &out, getenv: func(string) string { return "" }})
	assert.NoError(t, err, "%s", out.String())
	assert.Equal(t, "the configuration is good\n", out.String())
}
