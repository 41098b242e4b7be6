package deploy

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// area is where a panel is on the board, which is 24 wide.
type area struct{ X, Y, W, H int }

func (a area) overlaps(b area) bool {
	return a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H
}

// The board's panels have places of their own, a title and a unit, and ask the Prometheus and the
// instances that are chosen. cmd/equalizer's TestPrometheus sees that their queries have data.
func TestBoard(t *testing.T) {
	var board struct {
		Panels []struct {
			ID          int
			Type, Title string
			GridPos     area
			Datasource  struct{ UID string }
			Targets     []struct{ RefID, Expr, LegendFormat string }
			FieldConfig struct{ Defaults struct{ Unit string } }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(read(t, "grafana/equalizer.json")), &board))
	ids, titles := map[int]bool{}, map[string]bool{}
	var rows []string
	for i, p := range board.Panels {
		assert.False(t, ids[p.ID], p.Title)
		assert.False(t, titles[p.Title], p.Title)
		ids[p.ID], titles[p.Title] = true, true
		assert.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
		for _, other := range board.Panels[:i] {
			assert.False(t, p.GridPos.overlaps(other.GridPos), "%s, %s", p.Title, other.Title)
		}
		if p.Type == "row" {
			rows = append(rows, p.Title)
			continue
		}
		assert.Equal(t, "${datasource}", p.Datasource.UID, p.Title)
		assert.NotEmpty(t, p.FieldConfig.Defaults.Unit, p.Title)
		refs := map[string]bool{}
		for _, target := range p.Targets {
			assert.False(t, refs[target.RefID], p.Title)
			refs[target.RefID] = true
			selectors := strings.Count(target.Expr, "{")
			assert.Positive(t, selectors, target.Expr)
			assert.Equal(t, selectors, strings.Count(target.Expr, `instance=~"$instance"`), target.Expr)
			// What a legend names must be what the samples are grouped by.
			for _, label := range regexp.MustCompile(`\{\{(\w+)\}\}`).FindAllStringSubmatch(target.LegendFormat, -1) {
				assert.Regexp(t, `by \([^)]*\b`+label[1]+`\b`, target.Expr)
			}
		}
	}
	assert.Equal(t, []string{"Traffic", "Backends", "Limits", "Store and process"}, rows)
}
