package authority

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"sync"
	"testing"
)

// hookURL is the environment variable that makes the test's binary a DNS hook.
const hookURL = "TEST_HOOK_URL"

func TestMain(m *testing.M) {
	if to := os.Getenv(hookURL); to != "" {
		os.Exit(beHook(to))
	}
	os.Exit(m.Run())
}

// beHook passes on what a hook is told.
func beHook(to string) int {
	response, err := http.PostForm(to, url.Values{
		"args": os.Args[1:], "record": {os.Getenv("ACME_RECORD")}, "value": {os.Getenv("ACME_VALUE")},
	})
	if err != nil || response.StatusCode != http.StatusOK {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// serveHook serves what a hook is told, and returns the URL.
func serveHook(t *testing.T, a *Authority) string {
	t.Helper()
	var mu sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		record, value := r.PostFormValue("record")+".", r.PostFormValue("value")
		args := r.PostForm["args"]
		if len(args) != 2 || args[0] != "an argument" {
			t.Errorf("the hook's arguments: %q", args)
			return
		}
		values := slices.Clone(a.DNS.GetDNSTXTRecords(record))
		a.DNS.DeleteDNSTXTRecord(record)
		if args[1] == "present" {
			values = append(values, value)
		} else {
			values = slices.DeleteFunc(values, func(v string) bool { return v == value })
		}
		for _, v := range values {
			a.DNS.AddDNSTXTRecord(record, v)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}
