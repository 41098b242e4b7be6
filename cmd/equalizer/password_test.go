package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/store/postgres/pgtest"
)

// clerk is a role that needs a password, on a PostgreSQL of the test's own.
type clerk struct {
	t    *testing.T
	exec func(sql string)
	// config is the table of the store.
	config string
	// file has the password that the proxy is to use.
	file string
}

func newClerk(t *testing.T) clerk {
	t.Helper()
	c := newCluster(t)
	u, err := url.Parse(c.URL(""))
	require.NoError(t, err)
	admin := pgtest.Connect(t, c.URL(""))
	k := clerk{t: t, file: filepath.Join(t.TempDir(), "password")}
	k.exec = func(sql string) {
		t.Helper()
		_, err := admin.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	k.exec("CREATE ROLE " + pgtest.PasswordRole)
	k.exec("CREATE ROLE clerk LOGIN PASSWORD 'first' IN ROLE " + pgtest.PasswordRole)
	k.exec("CREATE SCHEMA clerks AUTHORIZATION clerk")
	k.config = fmt.Sprintf("[store]\ndriver = \"postgres\"\nflush_interval = \"20ms\"\n[store.postgres]\nhost = \"127.0.0.1\"\nport = %s\n"+
		"user = \"clerk\"\ndbname = \"postgres\"\nschema = \"clerks\"\npassword_file = %q\n", u.Port(), k.file)
	k.uses("first")
	return k
}

// uses has the file have another password.
func (k clerk) uses(password string) {
	k.t.Helper()
	require.NoError(k.t, os.WriteFile(k.file, []byte(password+"\n"), 0o600))
}

// cut ends the connections of the role.
func (k clerk) cut() {
	k.t.Helper()
	k.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'clerk'")
}

// A password that was rotated takes a reload. New connections use it then, those of buckets and
// those of overrides.
func TestReloadOfARotatedPassword(t *testing.T) {
	t.Parallel()
	k, b := newClerk(t), lasting(t)
	text := local0 + poolOf("web", b.URL) + limitOf("site", 10) + k.config
	r := launchWith(t, text)
	backend := "/backends/" + url.PathEscape("web/"+b.URL)
	stored := func() bool { return strings.Contains(r.call("GET", backend, "").body, `"stored":true`) }
	require.Equal(t, []int{200}, r.spends("alice", 1))
	require.Equal(t, 200, r.call("PATCH", backend, `{"weight":2}`).status)
	r.await("the override to be stored", stored)

	k.exec("ALTER ROLE clerk PASSWORD 'second'")
	k.cut()
	require.Equal(t, []int{200}, r.spends("alice", 1))
	r.await("the store to be away", func() bool { return !r.status().Store.Up })
	require.Equal(t, 200, r.call("PATCH", backend, `{"weight":3}`).status)
	require.False(t, stored())
	k.uses("second")
	assert.Equal(t, map[string]string{"store.postgres.password": "changed"}, r.reloads(text))
	r.await("the store to be there", func() bool { return r.status().Store.Up })
	r.await("the override to be stored, too", stored)
	assert.NotContains(t, r.logs.text(), "second")
	r.stop()
	again := reloadable{launch(t, "-c", r.file), r.file}
	assert.EqualValues(t, 8, again.bucket("alice").Tokens)
	again.stop()
}
