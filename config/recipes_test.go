package config

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRecipesCheck: each recipe is valid, and check warns only of what its text explains.
func TestRecipesCheck(t *testing.T) {
	text, err := os.ReadFile("recipes.md")
	require.NoError(t, err)
	found := regexp.MustCompile("(?s)```toml\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	require.Len(t, found, 5)
	for _, recipe := range found {
		l, err := Parse("", []byte(recipe[1]), Options{})
		warnings := l.Warnings
		require.NoError(t, err, recipe[1])
		for _, w := range warnings {
			require.Equal(t, "limits.key.key", w.Key, w.Text)
		}
	}
}

// TestTheExampleOfTheFileChecks: the two hosts in the comments of config.toml are valid.
func TestTheExampleOfTheFileChecks(t *testing.T) {
	text, err := os.ReadFile("config.toml")
	require.NoError(t, err)
	_, example, found := strings.Cut(string(text), "# Two hosts, two pools and two limits would be:\n")
	require.True(t, found)
	example, _, _ = strings.Cut(example, "# The keys below")
	c := accepted(t, regexp.MustCompile(`(?m)^# *`).ReplaceAllString(example, ""))
	require.Len(t, c.Pools, 2)
	require.Len(t, c.Limits, 2)
	require.Len(t, c.Routes, 2)
}
