package config

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSecretsComeFromFiles(t *testing.T) {
	dir := folder(t, "token", "0123456789abcdef\n", "password", "hunter2\r\n")
	document := pool + "[limits.a]\n[admin]\ntoken_file = \"" + dir + "/token\"\n[store.postgres]\npassword_file = \"" + dir + "/password\"\n"
	l := loaded(t, document)
	require.Equal(t, "0123456789abcdef", string(l.Config.Admin.Token))
	require.Equal(t, "hunter2", string(l.Config.Store.Postgres.Password))
	require.Empty(t, l.Warnings)
	require.Equal(t, []string{"c.toml", dir + "/token", dir + "/password"}, l.Files)
	text := print(t, l)
	require.Contains(t, text, "\n#token = \"***\" # "+dir+"/token\ntoken_file = \""+dir+"/token\"\n")
	require.Equal(t, l.Config, loaded(t, text).Config)

	// They are read again.
	require.NoError(t, os.WriteFile(dir+"/token", []byte("fedcba9876543210"), 0o600))
	again := loaded(t, document)
	require.Equal(t, []Difference{{"admin.token", Changed, `"***"`, `"***"`}}, Diff(l, again))

	// The environment wins.
	l, err := Parse("c.toml", []byte(document), Options{Getenv: env(map[string]string{EnvPostgresPassword: "env"})})
	require.NoError(t, err)
	require.Equal(t, "env", string(l.Config.Store.Postgres.Password))
}

func TestMistakesOfSecretFiles(t *testing.T) {
	dir := folder(t, "short", "hunter2\n", "empty", "\n", "wide", "0123456789abcdef")
	refused(t, pool+"[admin]\ntoken_file = \""+dir+"/short\"\n[store.postgres]\npassword_file = \""+dir+"/none\"\n",
		`c.toml:6: store.postgres.password_file: "`+dir+`/none": no such file or directory`,
		dir+"/short: admin.token: has 7 characters; want 16 to 256, such as what `openssl rand -hex 32` prints",
	)
	refused(t, pool+"[admin]\ntoken_file = \""+dir+"/empty\"\n[store.postgres]\npassword = \"a\"\npassword_file = \"b\"\n",
		`c.toml:4: admin.token_file: "`+dir+`/empty": it is empty; want the secret alone in it`,
		"c.toml:7: store.postgres.password_file: there is a store.postgres.password too; want one of the two",
	)
	// A file is not named by what a reference stands for.
	_, err := Parse("c.toml", []byte(pool+"[admin]\ntoken_file = \"${DIR}/short\"\n"), Options{Getenv: env(map[string]string{"DIR": dir})})
	require.EqualError(t, err, "${DIR}/short: admin.token: has 7 characters; want 16 to 256, such as what `openssl rand -hex 32` prints")

	require.NoError(t, os.Chmod(dir+"/wide", 0o604))
	l := loaded(t, pool+"[admin]\ntoken_file = \""+dir+"/wide\"\n")
	require.Equal(t, []Problem{{"c.toml", 4, "admin.token_file", "everybody on this machine can open the file; want chmod o= for it"}}, l.Warnings)
}
