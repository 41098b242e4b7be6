package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// fakeAdmin is an admin API that gives the responses of a test, and notes what it was asked.
type fakeAdmin struct {
	*httptest.Server
	// responses are by method and target: a status and a body.
	responses map[string]string
	asked     []string
}

// startAdmin starts one. Responses are "STATUS BODY".
func startAdmin(t *testing.T, responses map[string]string) *fakeAdmin {
	t.Helper()
	f := &fakeAdmin{responses: responses}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fakeAdmin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := r.Method + " " + r.RequestURI
	body, _ := io.ReadAll(r.Body)
	f.asked = append(f.asked, strings.TrimSpace(call+" "+string(body)))
	var status int
	response, known := f.responses[call]
	if !known {
		response = `404 {"type":"urn:gopher-equalizer:no-such-call","detail":"no ` + call + `"}`
	}
	fmt.Sscan(response, &status)
	_, response, _ = strings.Cut(response, " ")
	if link, rest, found := strings.Cut(response, " | "); found {
		w.Header().Set("Link", link)
		response = rest
	}
	kind := "application/json"
	if status >= 400 {
		kind = "application/problem+json"
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	if status != 204 {
		fmt.Fprintln(w, response)
	}
}

func (f *fakeAdmin) address() string { return f.Listener.Addr().String() }

// shell runs a command line of `equalizer` in this process.
type shell struct {
	stdout, stderr bytes.Buffer
	code           int
}

func inShell(t *testing.T, env map[string]string, args ...string) *shell {
	t.Helper()
	s := &shell{}
	s.code = run(t.Context(), args, terminal{
		stdout: &s.stdout, stderr: &s.stderr,
		getenv:  func(name string) string { return env[name] },
		signals: func(...os.Signal) <-chan os.Signal { return nil },
		kill:    func(int) {},
	})
	return s
}

// prints runs a command against the API, and compares what it prints. Times are the same.
func (f *fakeAdmin) prints(t *testing.T, code int, stdout, stderr string, args ...string) {
	t.Helper()
	s := inShell(t, nil, append(args, "--admin", f.address())...)
	assert.Equal(t, code, s.code, "%v: %s", args, s.stderr.String())
	printed := regexp.MustCompile(`\S+ ago`).ReplaceAllString(s.stdout.String(), "TIME ago")
	printed = regexp.MustCompile(`(?m)^WHEN +`).ReplaceAllString(printed, "WHEN      ") // as wide as the times
	assert.Equal(t, stdout, printed, args)
	assert.Equal(t, stderr, s.stderr.String(), args)
}

const (
	oneBackend = `{"id":"web/http://10.0.0.1:80","pool":"web","url":"http://10.0.0.1:80","weight":2,"state":"ready",` +
		`"backup":false,"effective_weight":0.2,"configured":{"state":"ready","weight":2},"override":null,"stored":true,"healthy":true,` +
		`"last_probe":"200 in 0.8ms","last_probe_at":"2026-11-29T07:00:00.000Z","advice":"","ejected":false,"ejected_until":null,"ejected_why":"","ejections":0,"in_flight":3,"max_in_flight":0,"requests":1234,"retries":0,"failures":1,"failures_by":{"unreachable":0,"broke":0,"late":0},"responses":{"1xx":0,"2xx":0,"3xx":0,"4xx":0,"5xx":0},"latency":{"p50":0,"p90":0,"p99":0}}`
	drained = `{"id":"web/http://10.0.0.2:80","pool":"web","url":"http://10.0.0.2:80","weight":5,"state":"drain",` +
		`"backup":false,"effective_weight":0,"configured":{"state":"ready","weight":1},"override":{"state":"drain","weight":5},"stored":false,"healthy":true,` +
		`"last_probe":"200 in 1.1ms","last_probe_at":"2026-11-29T07:00:00.000Z","advice":"","ejected":false,"ejected_until":null,"ejected_why":"","ejections":0,"in_flight":0,"max_in_flight":0,"requests":5,"retries":0,"failures":0,"failures_by":{"unreachable":0,"broke":0,"late":0},"responses":{"1xx":0,"2xx":0,"3xx":0,"4xx":0,"5xx":0},"latency":{"p50":0,"p90":0,"p99":0}}`
	deadBackend = `{"id":"api/unix:///run/app.sock","pool":"api","url":"unix:///run/app.sock","weight":1,"state":"ready",` +
		`"backup":true,"effective_weight":0,"configured":{"state":"ready","weight":1},"override":null,"stored":true,"healthy":false,` +
		`"last_probe":"connect: connection refused","last_probe_at":"2026-11-29T07:00:00.000Z","advice":"","ejected":false,"ejected_until":null,"ejected_why":"","ejections":0,"in_flight":0,"max_in_flight":0,"requests":0,"retries":0,"failures":0,"failures_by":{"unreachable":0,"broke":0,"late":0},"responses":{"1xx":0,"2xx":0,"3xx":0,"4xx":0,"5xx":0},"latency":{"p50":0,"p90":0,"p99":0}}`
	inMaint = `{"id":"api/https://b:443","pool":"api","url":"https://b:443","weight":1,"state":"maint",` +
		`"backup":false,"effective_weight":0,"configured":{"state":"maint","weight":1},"override":null,"stored":true,"healthy":false,` +
		`"last_probe":"","last_probe_at":null,"advice":"","ejected":false,"ejected_until":null,"ejected_why":"","ejections":0,"in_flight":0,"max_in_flight":0,"requests":0,"retries":0,"failures":0,"failures_by":{"unreachable":0,"broke":0,"late":0},"responses":{"1xx":0,"2xx":0,"3xx":0,"4xx":0,"5xx":0},"latency":{"p50":0,"p90":0,"p99":0}}`
	allBackends = "[" + deadBackend + "," + inMaint + "," + oneBackend + "," + drained + "]"
)

func TestReloadPrintsWhatChanged(t *testing.T) {
	f := startAdmin(t, map[string]string{"POST /reload": `200 {"changes":[` +
		`{"key":"limits.default.capacity","kind":"changed","old":"10","new":"5"},` +
		`{"key":"pools.web.backends[\"http://b:80\"]","kind":"added","new":"{ url = \"http://b:80\" }"}],` +
		`"warnings":["site.toml:3: limits.default.key: anyone can change it"],"duration_seconds":0.0123}`})
	f.prints(t, 0, `limits.default.capacity: 10 -> 5
pools.web.backends["http://b:80"]: added: { url = "http://b:80" }
warning: site.toml:3: limits.default.key: anyone can change it
reloaded in 12ms: 2 changes
`, "", "reload")
	assert.Equal(t, []string{"POST /reload {}"}, f.asked)

	f.responses["POST /reload"] = `200 {"changes":[],"warnings":[],"duration_seconds":0.001}`
	f.prints(t, 0, "reloaded in 1ms: nothing has changed\n", "", "reload")
	f.prints(t, 0, `{"changes":[],"warnings":[],"duration_seconds":0.001}`+"\n", "", "reload", "--json")
}

func TestReloadPrintsEveryMistake(t *testing.T) {
	const problem = `{"type":"urn:gopher-equalizer:bad-configuration","title":"x","status":422,"detail":"the configuration has 2 mistakes; nothing was changed",` +
		`"mistakes":[{"key":"server.listen","where":"site.toml:2","text":"in use"},{"key":"","where":"site.toml:9","text":"not TOML"}]}`
	f := startAdmin(t, map[string]string{"POST /reload": "422 " + problem})
	const told = "equalizer: the configuration has 2 mistakes; nothing was changed\n"
	f.prints(t, 1, "site.toml:2: server.listen: in use\nsite.toml:9: not TOML\n", told, "reload")
	f.prints(t, 1, problem+"\n", told, "reload", "--json")
	f.responses["GET /buckets/x"] = `400 {"type":"urn:gopher-equalizer:bad-request","detail":"in= is missing, and there are several limits; want one of a, b"}`
	f.prints(t, 1, "", "equalizer: --limit is missing, and there are several limits; want one of a, b\n", "buckets", "get", "x")
	f.responses["POST /reload"] = `409 {"type":"urn:gopher-equalizer:reloading","detail":"a reload runs, and another waits for it"}`
	f.prints(t, 1, "", "equalizer: a reload runs, and another waits for it\n", "reload")
}

func TestMisuseOfCommands(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		s := inShell(t, nil, args...)
		assert.Equal(t, 2, s.code, args)
		assert.Equal(t, "equalizer: "+want+"\nRun 'equalizer "+args[0]+" --help' for usage.\n", s.stderr.String(), args)
	}
	f(`unknown command "backends drian"; did you mean backends drain?`, "backends", "drian", "x")
	f(`unknown command "backends kill"; want one of list, ready, drain, maint, weight, reset`, "backends", "kill")
	f("backends drain wants 1 argument behind it", "backends", "drain")
	f("backends weight wants 2 arguments behind it", "backends", "weight", "x")
	f(`the weight is "half"; want a whole number from 1 to 100`, "backends", "weight", "x", "half")
	f(`unexpected argument "b"`, "backends", "drain", "a", "b")
	f("--wait is for drain and maint", "backends", "ready", "a", "--wait")
	f("--within is for --wait", "backends", "drain", "a", "--within", "5s")
	f("--pool is for list; elsewhere the pool is a part of the ID", "backends", "drain", "a", "--pool", "web")
	f(`unknown flag --wiat; did you mean --wait?`, "backends", "drain", "a", "--wiat")
	f(`unknown command "buckets kick"; want one of list, get, set, reset, purge`, "buckets", "kick", "a")
	f(`unknown command "buckets purg"; did you mean buckets purge?`, "buckets", "purg", "a")
	f("buckets get takes no --tokens", "buckets", "get", "a", "--tokens", "1")
	f("buckets set changes nothing; want --capacity, --refill, --tokens or --tier", "buckets", "set", "a")
	f("buckets purge deletes every bucket of the limit a that an operator set; want --yes to do it", "buckets", "purge", "a")
	f("the client_id is empty; want 1 to 256 bytes", "buckets", "get", "")
	f(`invalid boolean value "maybe" for -managed: want true or false`, "buckets", "--managed=maybe")
	f("--timeout 0s is out of range; want a duration above 0, such as 10s", "status", "--timeout", "0s")
	f(`--admin: "nowhere" is no address; want HOST:PORT, https://HOST:PORT or unix:///PATH`, "reload", "--admin", "nowhere")
	f(`unexpected argument "x"`, "reload", "x")
	f(`unexpected shell "tcsh"; want one of bash, zsh, fish`, "completion", "tcsh")
}

// The help of each command explains all of its flags, and its verbs.
func TestHelpOfCommands(t *testing.T) {
	for _, c := range commands() {
		s := inShell(t, nil, c.name, "--help")
		assert.Equal(t, 0, s.code, c.name)
		assert.Equal(t, c.help, s.stdout.String(), c.name)
		if c.name != "completion" {
			for _, verb := range c.verbs {
				assert.Regexp(t, `(?m)^  equalizer `+c.name+` \[?`+verb+`\b`, c.help)
			}
		}
		assert.Equal(t, c.help, inShell(t, nil, "help", c.name).stdout.String())
	}
	for _, f := range []*adminFlags{newBucketsFlags(terminal{}).adminFlags, newBackendsFlags(terminal{}).adminFlags} {
		f.VisitAll(func(one *flag.Flag) { assert.Contains(t, flagNames(f.help), dashed(one.Name)) })
	}
}
