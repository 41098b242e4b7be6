package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The README's tour of a site works as it is written there, in front of the demo's backends. Only
// ports, times and seconds differ.
func TestTourOfASite(t *testing.T) {
	const heading = "## A site with routes"
	demo := spawn(t, "demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--store", "memory")
	_, admin := demo.logs.awaitDemo(t)
	file := regexp.MustCompile("(?s)```toml\n(.*?)```").FindStringSubmatch(section(t, heading))
	require.NotNil(t, file)
	site := strings.NewReplacer(append(demoPorts(t, demo, admin), ":9000", "127.0.0.1:0", "127.0.0.1:9080", "127.0.0.1:0")...).Replace(file[1])

	p := launch(t, "-c", writeFile(t, site))
	host := func(url string) string { return strings.TrimPrefix(url, "http://") }
	runSteps(t, heading, strings.NewReplacer("localhost:9000", host(p.proxy), "localhost:9080", host(p.admin)))
	p.stop()
	demo.stop()
}

// demoPorts replaces the addresses of the demo's backends by those that it found free.
func demoPorts(t *testing.T, demo *proxied, admin string) (pairs []string) {
	t.Helper()
	var backends []struct{ URL string }
	require.NoError(t, json.Unmarshal([]byte(demo.do("GET", "http://"+admin+"/backends", "").body), &backends))
	require.Len(t, backends, demoBackends)
	for i, b := range backends {
		pairs = append(pairs, "http://localhost:"+[]string{"8081", "8082", "8083"}[i], b.URL)
	}
	return pairs
}
