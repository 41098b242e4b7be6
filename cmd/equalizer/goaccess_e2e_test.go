//go:build e2e

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// GoAccess, which .ci/peers installs, reads the log in the combined format, and in JSON by its
// preset for Caddy if that has the time as a number and both headers.
func TestGoAccessReadsTheLog(t *testing.T) {
	goaccess, err := exec.LookPath("goaccess")
	require.NoError(t, err, "there is no goaccess; .ci/peers installs it")
	_, flags := startBackends(t, 1)
	for preset, log := range map[string]string{
		"COMBINED": "format = \"combined\"\n",
		"CADDY":    "time = \"unix\"\nheaders = [\"User-Agent\", \"Referer\"]\n",
	} {
		path := filepath.Join(t.TempDir(), "access.log")
		p := spawn(t, "-c", writeFile(t, local0+poolOf("www", flags[1])+fmt.Sprintf("[log]\noutput = %q\n%s", path, log)))
		ready := regexp.MustCompile(`"proxy":"([^"]+)","admin":"([^"]+)".*"ready"`)
		p.await("it to be ready", func() bool { return ready.MatchString(text(path) + p.logs.text()) })
		p.proxy = "http://" + ready.FindStringSubmatch(text(path) + p.logs.text())[1]
		const requests = 50
		for i := range requests {
			target := fmt.Sprintf("/page-%d?q=%%22%%5C&token=hush", i%5)
			require.Equal(t, 200, p.get(target, "User-Agent", `Mozilla/5.0 (X11; "quoted" \ é) Firefox/140.0`, "Referer", "https://ref.example/?code=hush").status)
		}
		p.stop()

		report := filepath.Join(t.TempDir(), "report.json")
		cmd := exec.Command(goaccess, path, "--log-format="+preset, "-o", report, "--no-global-config")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		content, err := os.ReadFile(report)
		require.NoError(t, err)
		var got struct {
			General struct {
				Valid  int `json:"valid_requests"`
				Failed int `json:"failed_requests"`
			}
			Requests struct{ Data []struct{ Data string } }
			Browsers struct{ Data []struct{ Data string } }
			Status   struct{ Data []struct{ Data string } } `json:"status_codes"`
		}
		require.NoError(t, json.Unmarshal(content, &got))
		assert.Equal(t, requests, got.General.Valid, preset)
		assert.Len(t, got.Requests.Data, 5, preset)
		assert.NotEmpty(t, got.Browsers.Data, preset)
		assert.Len(t, got.Status.Data, 1, preset)
		assert.NotContains(t, string(content), "hush")
		if preset == "COMBINED" {
			assert.Zero(t, got.General.Failed)
		}
	}
}
