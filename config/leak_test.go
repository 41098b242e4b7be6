package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// planted are what an environment variable has in it: texts that parsers accept, and texts that
// they refuse at different points, quoting parts of them. Every part that counts has a zq in it.
var planted = []string{
	"zqzq", "ZQ-1.zq", "/zq/a", "/zq//../zq2", "http://zq1", "http://zq1:zq2/zq3?zq4", "https://u:zq@zq2", "unix:///zq/../zq2",
	"zq:99999", "zq1:zq2", "[zq]:1", ":zq", "5zq", "zq/1s", "1/zq", "7/1zq", "zqKiB", "1zqB", "zq zq2", " zq", "zq\n2", "zq\x00", "zq,zq",
	"*.zq", "*.zq..x", "zq*", "fe80::1%zq", "10.0.0.0/zq", "zq/8", "getzq", "GET zq", "$zq/x", "https://$host:zq", "%zq", "header:zq",
	"header:zq zq", "ip/zq", "200-zq", "zq-299", "text/zq", "zq/zq; charset=zq", "zq.html", "a@zq", "\"zq\\", "http://zq", "zq; want zq2",
	strings.Repeat("zq", 200),
}

// TestNoReferenceIsShownExpanded tries some texts in each place.
func TestNoReferenceIsShownExpanded(t *testing.T) { noReferenceIsShown(t, 5) }

// noReferenceIsShown plants one of so many texts in every string there is, by reflection, so that
// no key is forgotten, and looks for it wherever a configuration is shown.
func noReferenceIsShown(t *testing.T, oneOf int) {
	before := loaded(t, pool)
	tried, accepted := 0, 0
	for i, document := range everyString(`"${PLANTED}"`) {
		for j, text := range planted {
			if (i+j)%oneOf != 0 {
				continue
			}
			tried++
			l, err := Parse("c.toml", []byte(document), Options{Getenv: env(map[string]string{"PLANTED": text})})
			shown := fmt.Sprint(err)
			if err == nil {
				accepted++
				shown = everythingShown(t, before, l)
				require.True(t, strings.Contains(shown, "${PLANTED}") || strings.Contains(document, "include"), document)
			}
			require.NotContains(t, strings.ToLower(shown), "zq", "%s with %q", document, text)
		}
	}
	require.Greater(t, tried, 2500/oneOf)
	require.Greater(t, accepted, 200/oneOf)
}

// everythingShown is all that can be seen of a configuration.
func everythingShown(t *testing.T, before, l Loaded) string {
	t.Helper()
	view, err := json.Marshal(l.View())
	require.NoError(t, err)
	return fmt.Sprint(print(t, l), string(view), l.Warnings, Diff(before, l))
}

// everyString makes a document for each string in a Config. It is valid if the value is.
func everyString(value string) []string {
	var documents []string
	all := reflect.TypeFor[Config]()
	for i := range all.NumField() {
		top := all.Field(i).Tag.Get("toml")
		rest := "pools = { web = { backends = [\"http://a\", \"https://b\"] } }\n"
		if top == "pools" {
			rest = ""
		}
		plant(all.Field(i).Type, value, func(text string) {
			documents = append(documents, rest+top+" = "+text+"\n")
		})
	}
	return documents
}

// plant calls emit with an inline value for each place of a string in a type, with the value there.
func plant(in reflect.Type, value string, emit func(text string)) {
	wrapped := func(before, after string) func(string) {
		return func(text string) { emit(before + text + after) }
	}
	switch _, scalar := plainOf(reflect.Zero(in).Interface()); {
	case scalar:
		emit(value)
	case in.Kind() == reflect.Pointer:
		plant(in.Elem(), value, emit)
	case in.Kind() == reflect.Slice:
		plant(in.Elem(), value, wrapped("[", "]"))
	case in.Kind() == reflect.Map:
		plant(in.Elem(), value, wrapped("{ web = ", " }"))
	case in.Kind() == reflect.Struct:
		for i := range in.NumField() {
			name := in.Field(i).Tag.Get("toml")
			plant(in.Field(i).Type, value, wrapped("{ "+beside(in, name)+name+" = ", " }"))
		}
	}
}

// beside are the keys that a table needs beside one that is set.
func beside(in reflect.Type, name string) string {
	switch {
	case in == reflect.TypeFor[Pool]() && name != "backends":
		return `backends = ["http://a", "https://b"], `
	case in == reflect.TypeFor[Backend]() && name != "url":
		return `url = "http://a", `
	case in == reflect.TypeFor[Redirect]() && name != "to":
		return `to = "/", `
	case in == reflect.TypeFor[Respond]() && name == "content_type":
		return `body = "a", `
	case in == reflect.TypeFor[Store]() && name == "replica_name":
		return `driver = "postgres", shared = true, `
	case in == reflect.TypeFor[Limit]() && name == "exempt_preflights":
		return `key = "header:A", `
	}
	return ""
}
