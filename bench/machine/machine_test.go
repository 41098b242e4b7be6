package machine

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestField(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte("other: 1\nmodel name\t: fast: 2\nmodel name: slow\n"), 0o600))
	assert.Equal(t, "fast: 2", field(path, "model name", ":"))
	assert.Equal(t, "unknown", field(path, "model", ":"))
	assert.Equal(t, "unknown", field(path+"s", "model name", ":"))
}

func TestFactsAreSaid(t *testing.T) {
	facts := Facts()
	require.GreaterOrEqual(t, len(facts), 3)
	for _, f := range facts {
		assert.NotEmpty(t, f.Name)
		assert.NotEmpty(t, f.Value, f.Name)
	}
	assert.NotEmpty(t, Revision(t.Context()))
}
