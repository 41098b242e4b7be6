package main

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// rule is what the packages that match From may import. Patterns are the go command's: "bench/lab"
// is that package alone, "bench/lab/..." also all below it.
type rule struct {
	from string
	may  []string
}

// rules are the design's arrows. The first that matches a package holds.
func rules() []rule {
	product := []string{"limiter/...", "balancer/...", "config/...", "store/...", "proxy/...", "api/...", "bench"}
	return []rule{
		{"limiter/gcra", nil},
		{"limiter/gcra/...", []string{"limiter/gcra"}},
		{"limiter/table", []string{"limiter/gcra"}},
		{"limiter/lease", []string{"limiter/gcra", "limiter/table"}},
		{"limiter/lease/leasetest", []string{"limiter/lease", "limiter/gcra"}},
		{"limiter", []string{"limiter/gcra", "limiter/table", "limiter/lease"}},
		{"balancer/...", []string{"balancer/...", "store/blob", "proxy/meter"}},
		{"proxy/regular", nil},
		{"config/...", []string{"config/...", "limiter/gcra", "balancer/...", "proxy/identity", "proxy/rewrite", "proxy/route", "proxy/regular"}},
		{"store/blob", nil},
		{"store/...", []string{"store/...", "limiter", "limiter/gcra", "limiter/lease"}},
		{"proxy/problem", nil},
		{"proxy/meter", nil},
		{"proxy/names", nil},
		{"proxy/http1/...", []string{"proxy/http1"}},
		{"proxy/identity", []string{"proxy/http1"}},
		{"proxy/mask", []string{"proxy/http1"}},
		{"proxy/route", []string{"proxy/http1", "proxy/identity"}},
		{"proxy/rewrite", []string{"proxy/http1", "proxy/identity", "proxy/route"}},
		{"proxy/certs", []string{"store/blob", "proxy/regular"}},
		{"proxy/certs/acme", []string{"store/blob"}},
		{"proxy/proxyproto", nil},
		{"proxy/netconn/...", []string{"proxy/netconn/..."}},
		{"proxy/h1", []string{"proxy/rewrite", "proxy/http1", "proxy/netconn"}},
		{"proxy/h2", []string{"proxy/h2/message", "proxy/h1", "proxy/rewrite", "proxy/http1", "proxy/netconn"}},
		{"proxy/h2/message", []string{"proxy/http1"}},
		{"proxy/outcome", []string{"proxy/identity", "proxy/http1", "proxy/mask", "proxy/problem", "proxy/netconn", "proxy/meter", "balancer"}},
		{"proxy/...", []string{"proxy/...", "limiter", "limiter/gcra", "balancer/..."}},
		{"api/metrics", []string{"proxy/meter"}},
		{"api/live", nil},
		{"api/page", nil},
		{"api/...", []string{"api/...", "limiter", "limiter/gcra", "limiter/lease", "balancer/...", "proxy/problem", "proxy/meter"}},
		{"bench", product},
		{"bench/machine", nil},
		{"bench/mutanttest", nil},
		{"bench/lab/...", append(slices.Clone(product), "bench/machine", "bench/lab/...")},
		{"cmd/...", append(slices.Clone(product), "cmd/...")},
		{"deploy/...", nil},
	}
}

// check returns a line for each broken arrow, in the order of the packages.
func check(packages []Package) []string {
	var broken []string
	for _, p := range packages {
		i := slices.IndexFunc(rules(), func(r rule) bool { return matches(r.from, p.Path) })
		if i < 0 {
			broken = append(broken, fmt.Sprintf("%s is in none of the design's folders", p.Path))
			continue
		}
		for _, to := range p.Imports {
			if why := refuse(rules()[i], to); why != "" {
				broken = append(broken, fmt.Sprintf("%s imports %s: %s", p.Path, to, why))
			}
		}
	}
	return broken
}

// refuse says why a package under r must not import to; "" if it may.
func refuse(r rule, to string) string {
	switch {
	case strings.HasSuffix(path.Base(to), "test") && r.from != "bench/lab/...":
		return "only tests may import it"
	case slices.ContainsFunc(r.may, func(pattern string) bool { return matches(pattern, to) }):
		return ""
	case len(r.may) == 0:
		return r.from + " may import nothing of ours"
	}
	return fmt.Sprintf("%s may import only %s", r.from, strings.Join(r.may, ", "))
}

func matches(pattern, path string) bool {
	folder, below := strings.CutSuffix(pattern, "/...")
	return path == folder || below && strings.HasPrefix(path, folder+"/")
}
