//go:build linux

package report

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFoldersOf(t *testing.T) {
	assert.Equal(t, Folders{All: "bench/out/soak"}, FoldersOf("soak", false))
	assert.Equal(t, Folders{All: "bench/out/soak", Kept: "bench/results/" + time.Now().Format(time.DateOnly) + "-soak"}, FoldersOf("soak", true))
}

// The page, its bars and its plot are kept, and nothing else of the run.
func TestWhatIsKept(t *testing.T) {
	dir := t.TempDir()
	f := Folders{All: filepath.Join(dir, "all"), Kept: filepath.Join(dir, "kept")}
	require.NoError(t, os.MkdirAll(f.Kept, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(f.Kept, "of-an-earlier-run"), nil, 0o600))
	files := map[string][]byte{"report.md": []byte("all"), "report.json": []byte("{}"), "one.svg": []byte("1"), "two.svg": []byte("2")}
	require.NoError(t, f.Write(files, Kept{
		Command: "make bench", Page: []byte("page"), Plots: map[string][]byte{"one.svg": []byte("1")},
		Bars: []Bar{limit{1, 0.9}.hold(Bar{Figure: "CPU", Ratio: Ratio{Value: 1.25}})},
	}))
	names := func(dir string) (names []string) {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	assert.Equal(t, []string{"one.svg", "report.json", "report.md", "two.svg"}, names(f.All))
	assert.Equal(t, []string{"README.md", "bars.json", "one.svg"}, names(f.Kept))
	text, err := os.ReadFile(filepath.Join(f.Kept, "bars.json"))
	require.NoError(t, err)
	var kept Kept
	require.NoError(t, json.Unmarshal(text, &kept))
	assert.Equal(t, "make bench", kept.Command)
	assert.Equal(t, []any{1.25, 1.0, false}, []any{kept.Bars[0].Value, kept.Bars[0].Most, kept.Bars[0].Held})

	f.Kept = ""
	require.NoError(t, f.Write(nil, Kept{}))
	assert.Empty(t, names(f.All))
	f.All = filepath.Join(dir, "kept", "README.md", "out")
	assert.ErrorContains(t, f.Write(nil, Kept{}), "not a directory")
}
