package config

import (
	"net/netip"
	"strings"
	"time"

	"gopher-equalizer/limiter/gcra"
)

func (r *report) store(s Store) {
	r.oneOf("store.driver", s.Driver, StoreBolt, StorePostgres, StoreMemory)
	r.storePath(s)
	r.durability("store.durability", s.Durability, s)
	r.flushInterval("store.flush_interval", s.FlushInterval)
	r.duration("store.timeout", s.Timeout)
	r.duration("store.connect_timeout", s.ConnectTimeout)
	r.limitsKept("store.limits_kept", s.LimitsKept)
	r.postgres(s.Postgres)
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
	r.oneOf(key, d, DurabilityInterval, DurabilityStrict)
	switch {
	case d != DurabilityStrict:
	case s.Driver == StoreMemory:
		r.add(key, `"strict" with driver = "memory", which forgets what was spent at every start; want bolt or postgres, or "interval"`)
	case !s.RequiredAtStart:
		r.add(key, `"strict" with required_at_start = false, which spends before it is known what is reserved; want true, or "interval"`)
	}
}

func (r *report) limitsKept(key string, d time.Duration) {
	const shortest, longest = time.Minute, 10 * 365 * 24 * time.Hour
	if d != 0 && (d < shortest || d > longest) {
		r.add(key, "%s is out of range; want 1m to 87600h, or 0s to keep them for ever", gcra.ShortDuration(d))
	}
}

// flushInterval bounds the time between flushes. 0 reads like "at once", but requests never wait
// for the store, so it is refused with a reason of its own.
func (r *report) flushInterval(key string, d time.Duration) {
	const shortest, longest = 10 * time.Millisecond, time.Hour
	const want = "want 10ms to 1h, the spending that a crash may give back"
	switch {
	case d == 0:
		r.add(key, "0s would write to the store without a pause, and requests don't wait for it anyway; %s", want)
	case d < shortest || d > longest:
		r.add(key, "%s is out of range; %s", gcra.ShortDuration(d), want)
	}
}

// postgres checks the connection even if another driver is chosen. Someone may switch to it in an
// emergency, and a mistake should be found before.
func (r *report) postgres(p Postgres) {
	if !isPostgresHost(p.Host) {
		r.add("store.postgres.host", "%s; want a host's name, an IP address, or the folder of a Unix socket", show(p.Host))
	}
	r.between("store.postgres.port", p.Port, 1, 65535)
	r.noControl("store.postgres.user", p.User, "a role's name")
	r.noControl("store.postgres.dbname", p.DBName, "a database's name")
	if strings.ContainsRune(string(p.Password), 0) {
		r.add("store.postgres.password", "has a NUL in it, which PostgreSQL does not take")
	}
	r.oneOf("store.postgres.sslmode", p.SSLMode, "disable", "allow", "prefer", "require", "verify-ca", "verify-full")
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
