package schema

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/config"
)

// compiled is the schema as a validator has it.
func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(config.Schema()))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("equalizer.schema.json", document))
	s, err := c.Compile("equalizer.schema.json")
	require.NoError(t, err)
	return s
}

// judge is what the schema has against a document.
func judge(t *testing.T, s *jsonschema.Schema, document string) error {
	t.Helper()
	var tree map[string]any
	_, err := toml.Decode(document, &tree)
	require.NoError(t, err, document)
	data, err := json.Marshal(tree)
	require.NoError(t, err)
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	require.NoError(t, err)
	return s.Validate(value)
}

// parse is what validation has against a document.
func parse(document string) error {
	_, err := config.Parse("c.toml", []byte(document), config.Options{Getenv: func(string) string { return "" }})
	return err
}

// TestTheFileWithEveryKeyIsValid: its comments and its defaults are what the schema describes.
func TestTheFileWithEveryKeyIsValid(t *testing.T) {
	data, err := os.ReadFile("../../../config/config.toml")
	require.NoError(t, err)
	require.NoError(t, judge(t, compiled(t), string(data)))
	everyKey := regexp.MustCompile(`(?m)^#([a-z\[])`).ReplaceAllString(string(data), "$1")
	require.NoError(t, judge(t, compiled(t), everyKey))
}

const pool = "[pools.a]\nbackends = [\"http://a\"]\n"

func TestBothAcceptTheSame(t *testing.T) {
	s := compiled(t)
	for _, document := range []string{
		pool,
		pool + "max_connections = 1\nclient_share = 1\nmax_response_header = 1024\nidle_timeout = \"1.5s\"\nstrategy = \"random\"\n",
		pool + "answer_timeout = \"5s\"\n",
		"[pools.a]\nbackends = [{ url = \"http://a\", weight = 100, state = \"maint\" }, \"unix:///run/a\"]\nhealth = { statuses = [\"200-299\", \"404\"], rise = 100 }\n",
		pool + "[server]\nmax_header = \"1MiB\"\nmax_body = \"5\"\nmin_rate = 0\nmax_connections = 0\ndrain_delay = \"0s\"\ntrusted_proxies = [\"::1\"]\nvia = \"a\"\n",
		pool + "[server]\nmin_rate = \"512/s\"\nmax_connections = 10000000\nmax_body = 0\ntunnel_timeout = \"1h30m\"\n",
		pool + "[limits.A-1_]\nkey = \"header:X\"\ncapacity = 1\nrefill = \"7/1d12h\"\ntiers.gold.refill = \"1/s\"\n",
		pool + "[limits.a]\ndurability = \"\"\nmax_buckets = 1000000000\nexempt = [{ networks = [\"10.0.0.0/8\"] }]\n",
		pool + "[[routes]]\nmethods = [\"GET\"]\nmatch_headers = { X-A = \"*\" }\nmax_body = \"1KiB\"\nerror_pages = { 502 = \"a.html\" }\n",
		pool + "[[routes]]\nredirect = { to = \"/a\", status = 301 }\nresponse_headers = { set = { A = \"b\" }, remove = [\"C\"] }\nambiguous_paths = \"pass\"\n",
		pool + "[[routes]]\nrespond = { status = 599, body = \"x\" }\n",
		pool + "[store]\ndriver = \"postgres\"\nflush_interval = \"10ms\"\nlimits_kept = \"87600h\"\n[store.postgres]\nport = 65535\nsslmode = \"verify-full\"\n",
		pool + "[store]\ndriver = \"postgres\"\nshared = true\nreplica_name = \"a\"\nlease_ttl = \"3s\"\n[limits.a]\nleasing = \"each\"\n[limits.b]\nscope = \"replica\"\n[[routes]]\n",
		pool + "[log]\nlevel = \"debug\"\nformat = \"console\"\naccess = false\n",
		"include = [\"none/*.toml\"]\n" + pool,
		"[pools.a]\nbackends_file = \"testdata/backends.txt\"\nbackends = []\n",
	} {
		require.NoError(t, parse(document), document)
		require.NoError(t, judge(t, s, document), document)
	}
}

func TestBothRefuseTheSame(t *testing.T) {
	s := compiled(t)
	for _, mistake := range []string{
		// Names.
		"lsiten = 1", "server.lsiten = \":80\"", "log.colour = true", "pools.a.health.paht = \"/\"", "store.postgres.pass = \"x\"",
		"limits.\"a b\" = {}", "limits.a.tiers.\"x/y\".capacity = 5", "routes = [{ hots = \"a\" }]", "routes = [{ redirect = { to = \"/\", code = 301 } }]",
		"limits.a.exempt = [{ network = [] }]", "routes = [{ request_headers = { drop = [] } }]",
		// Kinds.
		"server = 5", "server = []", "limits = 5", "limits.a = \"x\"", "routes = {}", "routes = [5]", "include = \"a.toml\"", "include = [5]",
		"server.listen = 8000", "server.trusted_proxies = \"::1\"", "log.access = \"yes\"", "limits.a.capacity = \"5\"", "limits.a.capacity = 5.5",
		"admin.token = 5", "pools.b = { backends = \"http://b\" }", "pools.b = { backends = [5] }", "pools.b = { backends = [{ weight = 5 }] }",
		"routes = [{ redirect = {} }]", "routes = [{ match_headers = { A = 5 } }]", "routes = [{ error_pages = { 502 = 5 } }]",
		// Units.
		"server.idle_timeout = 5", "server.idle_timeout = \"5\"", "server.idle_timeout = \"5 s\"", "server.idle_timeout = \"-5s\"", "server.idle_timeout = \"1d\"",
		"server.max_header = \"16KB\"", "server.max_header = \"1.5MiB\"", "server.max_body = -1", "server.max_body = \"-1\"", "server.min_rate = \"1KiB/m\"",
		"limits.a.refill = \"10\"", "limits.a.refill = \"10/\"", "limits.a.refill = \"0/s\"", "limits.a.refill = \"1.5/s\"", "limits.a.refill = \"1/x\"",
		"pools.b = { backends = [\"http://b\"], health = { statuses = [\"600\"] } }", "pools.b = { backends = [\"http://b\"], health = { statuses = [200] } }",
		// Choices.
		"log.level = \"trace\"", "log.format = \"JSON\"", "store.driver = \"redis\"", "store.durability = \"\"", "store.postgres.sslmode = \"on\"",
		"limits.a.durability = \"none\"", "limits.a.scope = \"none\"", "store.shared = \"yes\"", "pools.b = { backends = [\"http://b\"], strategy = \"least\" }", "routes = [{ ambiguous_paths = \"allow\" }]",
		"pools.b = { backends = [{ url = \"http://b\", state = \"up\" }] }", "routes = [{ redirect = { to = \"/\", status = 300 } }]",
		"pools.b = { backends = [\"http://b\"], health = { type = \"icmp\" } }",
		"pools.b = { backends = [\"http://b\"], backends_file = 5 }", "pools.b = { backends = [\"http://b\"], backends_file = [\"x\"] }",
		// Bounds of numbers.
		"server.max_header = 1023", "server.max_header = 1048577", "server.max_connections = -1", "server.max_connections = 10000001", "server.min_rate = -1",
		"limits.a.capacity = 0", "limits.a.max_buckets = 0", "limits.a.max_buckets = 1000000001", "limits.a.tiers.b.capacity = -1", "store.postgres.port = 0",
		"store.postgres.port = 65536", "routes = [{ cost = -1 }]", "routes = [{ respond = { status = 199 } }]",
		"pools.b = { backends = [\"http://b\"], client_share = 0 }", "pools.b = { backends = [\"http://b\"], client_share = 1.1 }",
		"pools.b = { backends = [{ url = \"http://b\", weight = 101 }] }", "pools.b = { backends = [\"http://b\"], health = { fall = 0 } }",
	} {
		document := mistake + "\n" + pool
		require.Error(t, parse(document), document)
		require.Error(t, judge(t, s, document), document)
	}
}

// TestOnlyParseRefuses has the kinds of mistakes that the schema doesn't know.
func TestOnlyParseRefuses(t *testing.T) {
	s := compiled(t)
	for _, mistake := range []string{
		"server.idle_timeout = \"25h\"", "server.max_header = \"2MiB\"", "limits.a.refill = \"9999999/s\"", // bounds in strings
		"server.listen = \"x\"", "server.via = \"a b\"", "limits.a.key = \"cookie:x\"", "routes = [{ host = \"a:80\" }]", // texts of other forms
		"admin.listen = \":8000\"", "limits.a.trusted_header = true", "store.shared = true", "routes = [{ pool = \"none\" }]", // what depends on other keys
		"pools.b = { backends = [\"http://b\"], backends_file = \"/none\" }",                                // what is in files
		"server.via = \"${NOT_SET}\"", "log.level = \"${NOT_SET}\"", "server.idle_timeout = \"${NOT_SET}\"", // what references stand for
	} {
		document := mistake + "\n" + pool
		require.Error(t, parse(document), document)
		require.NoError(t, judge(t, s, document), document)
	}
}

// TestEveryKeyWantsItsKind plants a value of each kind at every key that the schema has. What the
// schema refuses must be a mistake, and what is a mistake of kinds must be refused by the schema.
func TestEveryKeyWantsItsKind(t *testing.T) {
	var root map[string]any
	require.NoError(t, json.Unmarshal(config.Schema(), &root))
	s := compiled(t)
	ofKinds := regexp.MustCompile(`(is )?an? (string|integer|float|boolean|table|array)( of tables)?; want|: no unit; want`)
	planted := 0
	for _, place := range places(root) {
		for _, value := range []string{`"x"`, "5", "-5", "1.5", "true", "[]", "[5]", `["x"]`, "{}", "{ zz = 5 }", "[{ zz = 5 }]", "[[]]"} {
			document := strings.Replace(place, "?", value, 1)
			if !strings.Contains(document, "pools") {
				document += "\n" + pool
			}
			mistake, refused := parse(document), judge(t, s, document)
			planted++
			if refused != nil {
				require.Error(t, mistake, "%s: %v", document, refused)
			}
			if mistake != nil && ofKinds.MatchString(mistake.Error()) {
				require.Error(t, refused, "%s: %v", document, mistake)
			}
		}
	}
	require.Greater(t, planted, 1500)
}

// places are documents with a question mark at each key of a schema in turn.
func places(root map[string]any) []string {
	var all []string
	for name, property := range root["properties"].(map[string]any) {
		put(property.(map[string]any), func(text string) { all = append(all, name+" = "+text) })
	}
	return all
}

// put calls emit with a question mark in the place of a value, and of each one in it.
func put(at map[string]any, emit func(text string)) {
	emit("?")
	within := func(before, after string, at map[string]any) {
		put(at, func(text string) { emit(before + text + after) })
	}
	properties, _ := at["properties"].(map[string]any)
	for name, property := range properties {
		beside := ""
		for needed := range properties {
			if needed == "backends" && name != needed {
				beside = "backends = [\"http://a\"], "
			}
			if (needed == "url" || needed == "to") && name != needed {
				beside = needed + " = \"/\", "
			}
		}
		within("{ "+beside+name+" = ", " }", property.(map[string]any))
	}
	if names, ok := at["additionalProperties"].(map[string]any); ok {
		within("{ a = ", " }", names)
	}
	if items, ok := at["items"].(map[string]any); ok {
		within("[", "]", items)
	}
	for _, way := range anyOf(at) {
		if way["type"] == "object" {
			put(way, emit)
		}
	}
}

func anyOf(at map[string]any) []map[string]any {
	ways, _ := at["anyOf"].([]any)
	var all []map[string]any
	for _, way := range ways {
		all = append(all, way.(map[string]any))
	}
	return all
}
