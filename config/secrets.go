package config

import (
	"errors"
	"runtime"
)

// The environment variables that fill secrets. One that is set and not empty wins over the file, so
// a deployment needs no secret in its file, and can override one that is there.
const (
	EnvAdminToken       = "EQUALIZER_ADMIN_TOKEN"       // admin.token
	EnvAdminReadToken   = "EQUALIZER_ADMIN_READ_TOKEN"  // admin.read_token
	EnvPostgresPassword = "EQUALIZER_POSTGRES_PASSWORD" // store.postgres.password
	EnvStoreKey         = "EQUALIZER_STORE_KEY"         // store.key
)

// outside is a key of a secret that may also be in an environment variable or in a file.
type outside struct {
	key, variable string
	// path is the file's; "" if there is none.
	path string
	into *Secret
}

// outsides are the secrets that may be outside of the configuration.
func (c *Config) outsides() []outside {
	return []outside{
		{"admin.token", EnvAdminToken, c.Admin.TokenFile, &c.Admin.Token},
		{"admin.read_token", EnvAdminReadToken, c.Admin.ReadTokenFile, &c.Admin.ReadToken},
		{"store.key", EnvStoreKey, c.Store.KeyFile, &c.Store.Key},
		{"store.postgres.password", EnvPostgresPassword, c.Store.Postgres.PasswordFile, &c.Store.Postgres.Password},
	}
}

// secrets reads the secrets that are outside: in the environment, or else in files of their own.
func (r *report) secrets(c *Config, getenv func(string) string, d disk) {
	for _, o := range c.outsides() {
		if value := getenv(o.variable); value != "" {
			*o.into = Secret(value)
			r.override(map[string]string{o.key: o.variable})
		} else if o.path != "" {
			r.secretFile(o, d)
		}
	}
}

// secretFile reads a secret that is in a file.
func (r *report) secretFile(o outside, d disk) {
	file := o.key + "_file"
	if r.given(o.key) {
		r.add(file, "there is a %s too; want one of the two", o.key)
		return
	}
	r.readAlso(o.path)
	text, mode, err := readText(d, o.path)
	if err == nil && text == "" {
		err = errors.New("it is empty; want the secret alone in it")
	}
	if err != nil {
		r.add(file, "%s: %s", show(o.path), err.Error())
		return
	}
	*o.into = Secret(text)
	r.override(map[string]string{o.key: r.Shown(file, o.path)})
	const others = 0o007
	if mode.Perm()&others != 0 && runtime.GOOS != "windows" {
		r.open = append(r.open, file)
	}
}

// warnOpen warns of files with secrets that everybody on the machine can read or change.
func (r *report) warnOpen() {
	for _, file := range r.open {
		r.add(file, "everybody on this machine can open the file; want chmod o= for it")
	}
}
