package api

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
)

// fakeReloader returns what a test wants.
type fakeReloader struct {
	done  Reloaded
	err   error
	calls int
}

func (f *fakeReloader) Reload(context.Context) (Reloaded, error) {
	f.calls++
	return f.done, f.err
}

// startReloader serves a Reloader that may be changed between requests.
func startReloader(t *testing.T) (*running, *fakeReloader) {
	t.Helper()
	f := &fakeReloader{}
	return start(t, func(_ *Settings, s *Sources) { s.Reloader = f }), f
}

func TestReload(t *testing.T) {
	r, f := startReloader(t)
	reload := request{method: "POST", target: "/reload", body: `{}`}
	assert.Equal(t, `{"changes":[],"warnings":[],"duration_seconds":0}`+"\n", r.do(t, reload).body)

	f.done = Reloaded{
		Changes: []Difference{
			{Key: "limits.default.capacity", Kind: "changed", Old: "10", New: "5"},
			{Key: "pools.default.backends[2]", Kind: "added", New: `"http://localhost:8083"`},
			{Key: "routes[0]", Kind: "removed", Old: `"/v1"`},
		},
		Warnings:        []string{"limits.default.key: a <b>"},
		DurationSeconds: 0.012,
	}
	got := r.do(t, reload)
	assert.Equal(t, 200, got.status)
	assert.Equal(t, `{"changes":[{"key":"limits.default.capacity","kind":"changed","old":"10","new":"5"},`+
		`{"key":"pools.default.backends[2]","kind":"added","new":"\"http://localhost:8083\""},`+
		`{"key":"routes[0]","kind":"removed","old":"\"/v1\""}],`+
		`"warnings":["limits.default.key: a <b>"],"duration_seconds":0.012}`+"\n", got.body)
	assert.Contains(t, r.logs.String(), `"remote":"pipe","credential":"none","method":"POST","changes":3,"message":"admin write: the configuration was reloaded"`)
}

// A reload that fails tells every mistake, and nothing of an error that it doesn't know.
func TestReloadFails(t *testing.T) {
	r, f := startReloader(t)
	do := func(err error, status int, name string) map[string]any {
		t.Helper()
		f.err = err
		return r.do(t, request{method: "POST", target: "/reload", body: ` { } `}).problem(t, status, name)
	}
	p := do(fmt.Errorf("reload: %w", Mistakes{
		{Key: "limits.default.capacity", Where: "site.toml:12", Text: "0 is out of range; want at least 1"},
		{Where: "site.toml:14", Text: "not valid TOML"},
	}), 422, "bad-configuration")
	assert.Equal(t, "the configuration has 2 mistakes; nothing was changed", p["detail"])
	assert.Equal(t, []any{
		map[string]any{"key": "limits.default.capacity", "where": "site.toml:12", "text": "0 is out of range; want at least 1"},
		map[string]any{"key": "", "where": "site.toml:14", "text": "not valid TOML"},
	}, p["mistakes"])
	p = do(Mistakes{{Key: "server.listen", Text: "in use"}}, 422, "bad-configuration")
	assert.Equal(t, "the configuration has a mistake; nothing was changed", p["detail"])
	p = do(fmt.Errorf("%w: since noon", ErrReloading), 409, "reloading")
	assert.Equal(t, "another reload is under way: since noon", p["detail"])
	do(ErrStarting, 503, "starting")
	do(ErrStopping, 503, "stopping")
	assert.Empty(t, r.logs.String(), "nothing was changed, and the reload itself logs why")

	f.err = errors.New("dial tcp 10.0.0.7: broken")
	got := r.do(t, request{method: "POST", target: "/reload", body: `{}`})
	assert.Equal(t, 500, got.status)
	assert.NotContains(t, got.body, "10.0.0.7")
}

func TestReloadIsStrict(t *testing.T) {
	r, f := startReloader(t)
	do := func(req request, status int, name, wantDetail string) {
		t.Helper()
		req.method, req.target = "POST", "/reload"+req.target
		assert.Contains(t, r.do(t, req).problem(t, status, name)["detail"], wantDetail)
	}
	do(request{}, 400, "bad-request", "the body is empty; want a JSON object")
	do(request{body: `[]`}, 400, "bad-request", "want a JSON object")
	do(request{body: `{} {}`}, 400, "bad-request", "not JSON")
	do(request{body: `{"file":"/etc/passwd"}`}, 400, "bad-request", `unknown member "file"; want none`)
	do(request{body: `{}`, target: "?x=1"}, 400, "bad-request", "takes no query")
	do(request{body: `{}`, header: []string{"Content-Type: text/plain"}}, 415, "unsupported-media-type", "want application/json")
	do(request{body: `{}`, header: []string{"If-Match: *"}}, 400, "bad-request", "takes no If-Match")
	do(request{body: `{}`, header: []string{"Origin: http://evil.example"}}, 403, "forbidden", "Origin")
	assert.Zero(t, f.calls)
	assert.Equal(t, "POST", r.do(t, request{method: "GET", target: "/reload"}).get("Allow"))
}

func TestReloadBeforeThereIsAReloader(t *testing.T) {
	r := start(t, func(_ *Settings, s *Sources) { s.Reloader = nil })
	r.do(t, request{method: "POST", target: "/reload", body: `{}`}).problem(t, 503, "starting")
}

func TestMistakesAsText(t *testing.T) {
	all := Mistakes{{Where: "a.toml:3", Key: "server.listen", Text: "x"}, {Where: "a.toml", Text: "y"}, {Key: "admin.listen", Text: "z"}}
	assert.EqualError(t, all, "a.toml:3: server.listen: x\na.toml: y\nadmin.listen: z")
}

func TestConfig(t *testing.T) {
	r := start(t, func(_ *Settings, s *Sources) {
		s.Config = func() any { return map[string]any{"admin": map[string]any{"token": "*****"}} }
	})
	got := r.do(t, request{method: "GET", target: "/config"})
	assert.Equal(t, 200, got.status)
	assert.Equal(t, `{"admin":{"token":"*****"}}`+"\n", got.body)
}

func TestPendingChanges(t *testing.T) {
	var pending Reloaded
	var err error
	r := start(t, func(_ *Settings, s *Sources) {
		s.Pending = func() (Reloaded, error) { return pending, err }
	})
	get := request{method: "GET", target: "/config/changes"}
	assert.Equal(t, `{"changes":[],"warnings":[],"duration_seconds":0}`+"\n", r.do(t, get).body)
	pending.Changes = []Difference{{Key: "a", Kind: "added", New: "1"}}
	assert.Equal(t, `{"changes":[{"key":"a","kind":"added","new":"1"}],"warnings":[],"duration_seconds":0}`+"\n", r.do(t, get).body)
	err = Mistakes{{Key: "a", Where: "c.toml:1", Text: "bad"}}
	p := r.do(t, get).problem(t, 422, "bad-configuration")
	assert.Equal(t, []any{map[string]any{"key": "a", "where": "c.toml:1", "text": "bad"}}, p["mistakes"])
	assert.Equal(t, "the configuration has a mistake; nothing was changed", p["detail"])
}
