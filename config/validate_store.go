package config

import (
	"encoding/base64"
	"encoding/hex"
	"net/netip"
	"strings"
)

func (r *report) store(s Store) {
	r.storePath(s)
	r.durability("store.durability", s.Durability, s)
	r.postgres(s.Postgres)
	r.storeKey(s.Key)
}

// standby refuses to wait for what no other process can hold.
func (r *report) standby(c Config) {
	const key = "store.standby"
	switch {
	case !c.Store.Standby:
	case c.Store.Shared:
		r.add(key, "true with shared = true, where no process holds the store; want one of them")
	case c.Store.Driver == StoreMemory:
		r.add(key, `true with driver = "memory", which no other process can hold; want bolt or postgres, or false`)
	case len(c.Limits) == 0:
		r.add(key, "true, but nothing is limited, so no process holds the store; want a limit, or false")
	}
}

func (r *report) storePath(s Store) {
	const key = "store.path"
	switch {
	case strings.HasPrefix(s.Path, "postgres://") || strings.HasPrefix(s.Path, "postgresql://"):
		r.add(key, `%s is a URL; want a file's path, or driver = "postgres" with [store.postgres]`, show(s.Path))
	case strings.ContainsRune(s.Path, 0):
		r.add(key, "%s has a NUL in it; want a file's path", show(s.Path))
	case s.Driver == StoreBolt && s.Path == "":
		r.add(key, `there is none; want a file's path, such as "data/equalizer.db"`)
	case s.Driver == StoreBolt && strings.HasSuffix(s.Path, "/"):
		r.add(key, "%s is a folder; want a file's path", show(s.Path))
	}
}

// durability refuses "strict" with settings that can't keep its promise.
func (r *report) durability(key, d string, s Store) {
	switch {
	case d != DurabilityStrict:
	case s.Driver == StoreMemory:
		r.add(key, `"strict" with driver = "memory", which forgets what was spent at every start; want bolt or postgres, or "interval"`)
	case s.Shared:
		r.add(key, `"strict" with shared = true, where a crash gives nothing back in any case; want "interval"`)
	case !s.RequiredAtStart:
		r.add(key, `"strict" with required_at_start = false, which spends before it is known what is reserved; want true, or "interval"`)
	}
}

// postgres checks the connection even if another driver is chosen. Someone may switch to it in an
// emergency, and a mistake should be found before.
func (r *report) postgres(p Postgres) {
	if !isPostgresHost(p.Host) {
		r.add("store.postgres.host", "%s; want a host's name, an IP address, or the folder of a Unix socket", show(p.Host))
	}
	r.noControl("store.postgres.user", p.User, "a role's name")
	r.noControl("store.postgres.dbname", p.DBName, "a database's name")
	if strings.ContainsRune(string(p.Password), 0) {
		r.add("store.postgres.password", "has a NUL in it, which PostgreSQL does not take")
	}
	if !isSchema(p.Schema) {
		r.add("store.postgres.schema", "%s; want 1 to 63 small letters, digits and underscores, no digit first, not pg_", show(p.Schema))
	}
}

func isPostgresHost(host string) bool {
	if strings.HasPrefix(host, "/") {
		return !strings.ContainsRune(host, 0)
	}
	_, err := netip.ParseAddr(host)
	return err == nil || isHostName(host)
}

// isSchema reports whether an identifier needs no quotes in SQL, fits PostgreSQL's 63 bytes, and
// isn't reserved by it.
func isSchema(name string) bool {
	const bytes = "abcdefghijklmnopqrstuvwxyz_" + digits
	return len(name) >= 1 && len(name) <= 63 && consistsOf(name, bytes) &&
		!consistsOf(name[:1], digits) && !strings.HasPrefix(name, "pg_")
}

// noControl wants a name that isn't empty and has no control characters.
func (r *report) noControl(key, text, want string) {
	if text == "" || strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		r.add(key, "%s; want %s", show(text), want)
	}
}

// sealed checks that what a key has be stored is sealed, where others may read the store. instead
// is what else is possible.
func (r *report) sealed(key, what, instead string, s Store) {
	if s.Driver == StorePostgres && s.Key == "" {
		r.add(key, "needs a key that %s are sealed with before PostgreSQL has them; want one in %s or store.key, such as what `openssl rand -base64 32` prints, or %s",
			what, EnvStoreKey, instead)
	}
}

// storeKey checks the key that blobs are sealed with.
func (r *report) storeKey(key Secret) {
	const size = 32
	if key == "" {
		return
	}
	b, err := base64.StdEncoding.DecodeString(string(key))
	if err != nil || len(b) != size {
		b, err = hex.DecodeString(string(key))
	}
	if err != nil || len(b) != size {
		r.add("store.key", "isn't 32 bytes in base64 or hexadecimal; want what `openssl rand -base64 32` prints")
	}
}
