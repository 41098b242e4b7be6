package route

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/http1/http1test"
)

// tables are a table of one route and some of 1,000 routes, each in another way. The request gets
// the 500th of each.
func tables(t require.TestingT) (names []string, tables []*Table[int]) {
	one := spec{host: "site500.example.com", prefix: "/api/v500/users"}
	shapes := []struct {
		name string
		of   func(i int) spec
	}{
		{"hosts", func(i int) spec { return spec{host: fmt.Sprintf("site%d.example.com", i), prefix: one.prefix} }},
		{"suffixes", func(i int) spec {
			if i == 500 {
				return spec{host: "*.example.com", prefix: one.prefix}
			}
			return spec{host: fmt.Sprintf("*.zone%d.example.com", i), prefix: one.prefix}
		}},
		{"prefixes", func(i int) spec { return spec{host: one.host, prefix: fmt.Sprintf("/api/v%d/users", i)} }},
		{"values", func(i int) spec {
			if i == 500 {
				return one
			}
			return spec{name: fmt.Sprint(i), host: one.host, prefix: one.prefix, headers: [][2]string{{"X-Tenant", fmt.Sprintf("t%d", i)}}}
		}},
		{"leaves", func(i int) spec {
			if i == 500 {
				return one
			}
			return spec{host: one.host, prefix: fmt.Sprintf("/api/v500/users/u%d", i)}
		}},
	}
	names, tables = []string{"one"}, []*Table[int]{tableOf(t, one)}
	for _, shape := range shapes {
		var specs []spec
		for i := range 1_000 {
			specs = append(specs, shape.of(i))
		}
		names, tables = append(names, "1000 "+shape.name), append(tables, tableOf(t, specs...))
	}
	return names, tables
}

// match is a request that a browser sends.
type match struct {
	request *http1.Request
	path    Path
}

func aMatch(t testing.TB, target string) *match {
	head := strings.Replace(http1test.Browser, "Host: ", "X-Host: ", 1)
	_, fields, _ := strings.Cut(head, "\r\n")
	method := "GET "
	if target == "*" {
		method = "OPTIONS "
	}
	return &match{request: http1test.Request(t, method+target+" HTTP/1.1\r\nHost: site500.example.com\r\n"+fields)}
}

func (m *match) in(table *Table[int]) (*Route[int], Verdict) {
	r := m.request
	m.path.Read(r.Path)
	return table.Match(r.Host, r.Method, &m.path, r.Fields)
}

func BenchmarkMatch(b *testing.B) {
	names, tables := tables(b)
	m := aMatch(b, "/api/v500/users/12345/orders?page=2")
	for i, name := range names {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.in(tables[i])
			}
		})
	}
}

// BenchmarkPath is what paths cost that aren't plain.
func BenchmarkPath(b *testing.B) {
	_, tables := tables(b)
	for _, target := range []string{"/api/v500/users/a%20b", "/api/v500/users/a%2Fb", "/api//v500/users", "/api/../api/v500/users/a%2Fb;c"} {
		b.Run(target, func(b *testing.B) {
			m := aMatch(b, target)
			b.ReportAllocs()
			for b.Loop() {
				m.in(tables[3])
			}
		})
	}
}

// hostile are paths of 64 KiB that are made to cost.
func hostile() map[string]string {
	const size = 64 << 10
	fill := func(unit string) string { return "/" + strings.Repeat(unit, size/len(unit)) }
	return map[string]string{
		"encoded slashes":  fill("%2F"),
		"segments":         fill("a/"),
		"backslashes":      fill(`\`),
		"slashes":          fill("/"),
		"parameters":       fill(";/"),
		"open parameters":  fill("a;%2F"),
		"dots":             fill("../"),
		"down and up":      fill("api/../"),
		"one long segment": fill("%61"),
		"all at once":      fill(`api%2F..;\v500%5C/;/../`),
		"just followed":    "/api/v500/users/" + strings.Repeat("a%2Fb/../", size/9),
		"most states":      "/" + strings.Repeat("a%2F", 6) + strings.Repeat("a/../", (size-100)/5) + strings.Repeat("../", 5),
	}
}

func BenchmarkHostile(b *testing.B) {
	_, tables := tables(b)
	for name, target := range hostile() {
		b.Run(name, func(b *testing.B) {
			m := &match{request: &http1.Request{Host: []byte("site500.example.com"), Method: []byte("GET"), Path: []byte(target)}}
			b.SetBytes(int64(len(target)))
			b.ReportAllocs()
			for b.Loop() {
				m.in(tables[3])
			}
		})
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	names, tables := tables(t)
	exemptions := NewExemptions([]Exemption{exempting(t, []string{"10.0.0.0/8"}, []string{"GET"}, []string{"/api"})})
	client := netip.MustParseAddr("10.0.0.1")
	for i, name := range names {
		for _, target := range []string{"/api/v500/users/1?x", "/api/v500/users/a%20b", "/api/v500/users/a%2Fb;c/../d", "/x", "/api%2F../v500", "*"} {
			m := aMatch(t, target)
			var allow []byte
			assert.Zero(t, testing.AllocsPerRun(100, func() {
				_, verdict := m.in(tables[i])
				exemptions.Cover(client, m.request.Method, &m.path)
				m.path.Normal()
				if verdict == MethodNotAllowed {
					allow = tables[i].AppendAllow(allow[:0], m.request.Host, &m.path, m.request.Fields)
				}
			}), "%s: %s", name, target)
		}
	}
}

// TestManyRoutesCostLittle compares 1,000 routes with one, in turns, and takes the best of each: no
// more than twice as much.
func TestManyRoutesCostLittle(t *testing.T) {
	names, tables := tables(t)
	m := aMatch(t, "/api/v500/users/12345/orders?page=2")
	for i, name := range names[1:] {
		found, _ := m.in(tables[i+1])
		require.Equal(t, 500, found.Value, name)
	}
	best := make([]time.Duration, len(tables))
	took := func(table *Table[int]) time.Duration {
		start := time.Now()
		for range 500 {
			m.in(table)
		}
		return time.Since(start)
	}
	for range 40 {
		for i, table := range tables {
			if d := took(table); best[i] == 0 || d < best[i] {
				best[i] = d
			}
		}
	}
	for i, name := range names {
		t.Logf("%s: %v a request", name, best[i]/500)
		assert.LessOrEqual(t, best[i], 2*best[0], "%s", name)
	}
}

// TestHostilePathsAreLinear compares a path with 16 paths of a 16th of its length, which take as
// long in all. If the time grew with the square, the long one would take 16 times as long.
func TestHostilePathsAreLinear(t *testing.T) {
	const parts = 16
	_, tables := tables(t)
	took := func(target string, times int) time.Duration {
		m := &match{request: &http1.Request{Host: []byte("site500.example.com"), Method: []byte("GET"), Path: []byte(target)}}
		start := time.Now()
		for range times {
			m.in(tables[3])
		}
		return time.Since(start)
	}
	for name, target := range hostile() {
		target = target[:len(target)/4]
		short, long := time.Hour, time.Hour
		for range 5 {
			short = min(short, took(target[:len(target)/parts], parts))
			long = min(long, took(target, 1))
		}
		assert.Less(t, long, parts/2*short, name)
	}
}

// TestSharedTable has many goroutines use one table, for the race detector.
func TestSharedTable(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	specs := aTable(r)
	table := tableOf(t, specs...)
	done := make(chan struct{})
	for i := range 4 {
		go func() {
			defer func() { done <- struct{}{} }()
			r := rand.New(rand.NewPCG(9, uint64(i)))
			for range 200 {
				q := aRequest(r)
				table.Match([]byte(q.host), []byte(q.method), pathOf(q.path, Pass), fieldsOf(q.headers...))
			}
		}()
	}
	for range 4 {
		<-done
	}
}
