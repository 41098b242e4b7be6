package config

import (
	"time"

	"gopher-equalizer/balancer"
	"gopher-equalizer/limiter/gcra"
)

// Config is everything that can be configured, with one field for each key, which its `toml` tag
// names. It is plain data. [Default] has the defaults, config.toml explains each key at length, and
// the other packages get settings of their own that are made from it.
type Config struct {
	Server Server           `toml:"server"`
	Admin  Admin            `toml:"admin"`
	Pools  map[string]Pool  `toml:"pools"`
	Limits map[string]Limit `toml:"limits"`
	// Routes choose between pools and limits. Without any, everything goes to the only pool, under
	// the only limit; see [Config.RoutesInForce].
	Routes []Route `toml:"routes"`
	Store  Store   `toml:"store"`
	Log    Log     `toml:"log"`
}

// Server is the public listener and what it expects of clients.
type Server struct {
	// Listen is the address to accept on, HOST:PORT. Without a host it is all addresses, with port
	// 0 any free port.
	Listen string `toml:"listen"`
	// TrustedProxies are the addresses and CIDRs whose X-Forwarded-For is believed. Anyone in here
	// can claim to be any client.
	TrustedProxies []string `toml:"trusted_proxies"`
	// Via is this proxy's name in the Via of the requests that it forwards, up to 64 characters.
	// Each process adds a suffix of its own, and a request that has it already is in a loop: 508.
	// With "" there is no Via, which makes some servers stop compressing.
	Via string `toml:"via"`
	// MaxHeader bounds a request's line and header. A larger one is 431, or 414 if the line alone
	// is larger. Every connection holds a buffer of this size while a request is read.
	MaxHeader Size `toml:"max_header"`
	// MaxBody bounds a request's body, and a larger one is 413. 0 is no bound. Bodies are streamed,
	// so a large one costs no memory.
	MaxBody Size `toml:"max_body"`
	// RateLimitHeaders has every response of a limited route carry RateLimit and RateLimit-Policy,
	// and not only the 429s. Clients can then slow down in time. It takes room in every response.
	RateLimitHeaders bool `toml:"ratelimit_headers"`
	// HeaderTimeout is how long a request's header may take to arrive. Slow clients need it long,
	// and against attackers who trickle headers it should be short.
	HeaderTimeout time.Duration `toml:"header_timeout"`
	// IdleTimeout is how long a connection is kept between requests.
	IdleTimeout time.Duration `toml:"idle_timeout"`
	// ReadTimeout is how long a client may send nothing in the middle of a body.
	ReadTimeout time.Duration `toml:"read_timeout"`
	// WriteTimeout is how long a client may take nothing in the middle of a response.
	WriteTimeout time.Duration `toml:"write_timeout"`
	// MinRate is the least rate at which a client must send a request's body, and take a response.
	// 0 is no least rate. A higher one frees backends from slow clients sooner, and cuts off
	// clients on bad networks.
	MinRate Rate `toml:"min_rate"`
	// RateGrace is how far, in time, a client may fall behind MinRate.
	RateGrace time.Duration `toml:"rate_grace"`
	// TunnelTimeout is how long both sides of an upgraded connection, such as a WebSocket, may send
	// nothing. 0s is for ever, and keeps those whose client vanished without a word.
	TunnelTimeout time.Duration `toml:"tunnel_timeout"`
	// MaxConnections bounds the clients' connections. Past it none is accepted until one closes. 0
	// is as many as the limit of open files has room for.
	MaxConnections int `toml:"max_connections"`
	// DrainDelay is how long to go on accepting after SIGTERM, with readiness off, so that load
	// balancers in front notice in time. 0 is no delay.
	DrainDelay time.Duration `toml:"drain_delay"`
	// ShutdownTimeout is how long the last flush and the requests that run may take after that.
	// Then what is left is cut.
	ShutdownTimeout time.Duration `toml:"shutdown_timeout"`
	// TunnelGrace is how long tunnels and event streams may go on at a stop once the store is
	// released, if a supervisor holds the sockets and new connections wait for this process to end.
	TunnelGrace time.Duration `toml:"tunnel_grace"`
}

// Admin is the admin API's listener.
type Admin struct {
	// Listen is the address to accept on, HOST:PORT. Without a Token it must be a loopback address.
	Listen string `toml:"listen"`
	// Token is the bearer token that callers must send: 16 to 256 visible ASCII characters. With ""
	// none is needed. EQUALIZER_ADMIN_TOKEN wins over the file.
	Token Secret `toml:"token"`
}

// Pool is a named set of backends with one strategy and one health check.
type Pool struct {
	// Strategy is how the pool picks.
	Strategy balancer.Strategy `toml:"strategy"`
	// Backends are what it picks from, at least one. In TOML each is a URL or a table.
	Backends []Backend `toml:"backends"`
	// Host is sent to the backends as Host. "" stands for the client's.
	Host string `toml:"host"`
	// ConnectTimeout bounds a connect to a backend, with the TLS handshake. Past it the request
	// goes to another backend.
	ConnectTimeout time.Duration `toml:"connect_timeout"`
	// ResponseTimeout is how long a backend may take until its response's header is there. Past it
	// the request is 504.
	ResponseTimeout time.Duration `toml:"response_timeout" former:"answer_timeout"`
	// IdleTimeout is how long a backend may send or take nothing in the middle of a body.
	IdleTimeout time.Duration `toml:"idle_timeout"`
	// TotalTimeout bounds a whole response with its body. 0 is no bound, which event streams and
	// long downloads need.
	TotalTimeout time.Duration `toml:"total_timeout"`
	// MaxConnections bounds the connections to each backend. If all are taken at every backend, a
	// request is 503.
	MaxConnections int `toml:"max_connections"`
	// MaxResponseHeader bounds the header of a backend's response, interim or final, and its
	// trailers, each. Past it the request is 502. A header of more than 16KiB takes memory while it
	// is relayed, up to four times its size.
	MaxResponseHeader Size `toml:"max_response_header"`
	// ClientShare is the share of each backend's connections that one client may hold, and at least
	// one connection. Past it a request is 503. A client is its address, as with the key "ip". 1 is
	// no bound.
	ClientShare float64 `toml:"client_share"`
	// KeepAlive is how long an unused connection is kept, unless the backend announces less.
	// Shorter means more connects, longer more connections that wait.
	KeepAlive time.Duration `toml:"keep_alive"`
	// MaxConnectionAge is how long a connection is used, less up to a fifth. Shorter means more
	// connects. Longer means that a name's new addresses get their share later. 0 is no bound.
	MaxConnectionAge time.Duration `toml:"max_connection_age"`
	// TLS is for the backends by https.
	TLS TLS `toml:"tls"`
	// Health is how the backends are probed.
	Health Health `toml:"health"`
}

// Backend is one address that requests are forwarded to.
type Backend struct {
	// URL is http://HOST:PORT, https://HOST:PORT or unix:///PATH; the ports are 80 and 443 by
	// default. See [Backend.Addr] and [Backend.ServerName].
	URL string `toml:"url"`
	// Weight is the backend's share of the requests relative to the others', 1 to 100.
	Weight int `toml:"weight"`
	// State is what the operator wants of it.
	State balancer.State `toml:"state"`
}

// TLS is how the certificates of a pool's https backends are verified, and which certificate they
// are shown. Files are PEM, and are read at the start.
type TLS struct {
	// CA is a file with the only authorities to trust. "" stands for the system's.
	CA string `toml:"ca"`
	// ServerName is the name asked for (SNI), which the certificates must be for. "" stands for
	// each URL's host.
	ServerName string `toml:"server_name"`
	// Cert is a file with the certificate that backends are shown if they ask for one, and with the
	// intermediate ones. Key is the file with its key. "" is none.
	Cert string `toml:"cert"`
	Key  string `toml:"key"`
	// Verify reports whether certificates are verified. If not, an attacker in between can read and
	// change everything.
	Verify bool `toml:"verify"`
}

// Health is how a pool's backends are probed. A dead backend gets no more requests after Fall *
// Interval + Timeout.
type Health struct {
	// Type is what a probe does: ask for a path, or only connect. It uses TLS as requests do.
	Type balancer.HealthType `toml:"type"`
	// Path is what an HTTP probe asks for.
	Path string `toml:"path"`
	// Host is an HTTP probe's Host. "" stands for the backend's address.
	Host string `toml:"host"`
	// Statuses are those of a healthy backend, for an HTTP probe. None stands for all below 500.
	Statuses []balancer.StatusRange `toml:"statuses"`
	// Interval is the time between two probes of a backend. A shorter one notices sooner, and costs
	// every backend more requests.
	Interval time.Duration `toml:"interval"`
	// Timeout bounds one probe. It is at most Interval.
	Timeout time.Duration `toml:"timeout"`
	// Rise is how many probes in a row must succeed to bring a backend back, 1 to 100.
	Rise int `toml:"rise"`
	// Fall is how many in a row must fail to take one out, 1 to 100. With 1, one lost packet is
	// enough.
	Fall int `toml:"fall"`
}

// Limit is a named rule that gives every client a token bucket.
type Limit struct {
	// Key is what identifies a client: "ip", "ip/48", "ip/64,24" or "header:NAME", as
	// identity.ParseKey reads it.
	Key string `toml:"key"`
	// TrustedHeader states that something in front checks the key's header, so a client can't
	// choose another value with every request. It only silences the warning about that.
	TrustedHeader bool `toml:"trusted_header"`
	// Secret keeps a header's value out of store, API and logs, which get its SHA-256. It doesn't
	// matter for other keys.
	Secret bool `toml:"secret"`
	// Capacity is the most tokens that a bucket holds: the burst that a client may send at once.
	Capacity int64 `toml:"capacity"`
	// Refill is how fast a bucket earns tokens: the rate that a client may keep up.
	Refill gcra.Refill `toml:"refill"`
	// MaxBuckets bounds the buckets in memory, and so the memory. Past it new clients share a fixed
	// number of others.
	MaxBuckets int `toml:"max_buckets"`
	// Exempt are the requests that the limit doesn't count. One entry that matches is enough.
	Exempt []Exemption `toml:"exempt"`
	// ExemptPreflights leaves browsers' CORS preflights uncounted. Limits by address never do.
	ExemptPreflights bool `toml:"exempt_preflights"`
	// Durability is as in Store, for this limit; "" is the store's.
	Durability string `toml:"durability"`
	// Tiers are numbers that operators can give to clients, by name.
	Tiers map[string]Tier `toml:"tiers"`
}

// Exemption is which requests a limit doesn't count. Within one, what is given must all match, and
// something must be given.
type Exemption struct {
	// Networks has the client's address: addresses and CIDRs.
	Networks []string `toml:"networks"`
	// Methods has the request's method. GET includes HEAD.
	Methods []string `toml:"methods"`
	// PathPrefixes has a prefix of the path, by whole segments.
	PathPrefixes []string `toml:"path_prefixes"`
}

// Tier is a named set of a limit's numbers, which clients can be given over the admin API.
type Tier struct {
	// Capacity is as in Limit; 0 is the limit's.
	Capacity int64 `toml:"capacity"`
	// Refill is as in Limit; the zero one is the limit's.
	Refill gcra.Refill `toml:"refill"`
}

// Settings are those of clients that nobody gave others.
func (l Limit) Settings() gcra.Settings {
	return gcra.Settings{Capacity: l.Capacity, Refill: l.Refill}
}

// SettingsOf are those of a tier.
func (l Limit) SettingsOf(tier string) gcra.Settings {
	s := l.Settings()
	if t := l.Tiers[tier]; t.Capacity != 0 {
		s.Capacity = t.Capacity
	}
	if t := l.Tiers[tier]; t.Refill != (gcra.Refill{}) {
		s.Refill = t.Refill
	}
	return s
}

// DurabilityOf is a limit's.
func (c *Config) DurabilityOf(limit string) string {
	if d := c.Limits[limit].Durability; d != "" {
		return d
	}
	return c.Store.Durability
}

// Drivers of a Store.
const (
	StoreBolt     = "bolt"     // one embedded file
	StorePostgres = "postgres" // a PostgreSQL server
	StoreMemory   = "memory"   // nothing outlives the process
)

// What a crash does to buckets.
const (
	DurabilityInterval = "interval" // it gives back what was spent since the last flush
	DurabilityStrict   = "strict"   // it gives back nothing, and takes away what was reserved
)

// Store is where buckets outlive the process.
type Store struct {
	// Driver is StoreBolt, StorePostgres or StoreMemory.
	Driver string `toml:"driver"`
	// Path is the bolt driver's file. Its folder is made if it doesn't exist.
	Path string `toml:"path"`
	// Durability is DurabilityInterval or DurabilityStrict. Strict reserves tokens in the store
	// before they are spent. It costs clients up to a capacity after a crash, and while the store
	// is away, clients that have spent what is reserved are refused.
	Durability string `toml:"durability"`
	// FlushInterval is the time between two flushes of what was spent. It is also what a crash can
	// lose: a client regains at most what it spent, and earns, in that time.
	FlushInterval time.Duration `toml:"flush_interval"`
	// Timeout bounds each call to the store, and so how long an admin write may take.
	Timeout time.Duration `toml:"timeout"`
	// ConnectTimeout is how long the start waits for a store that is away or held by another
	// process.
	ConnectTimeout time.Duration `toml:"connect_timeout"`
	// RequiredAtStart reports whether a store that stays away ends the start. If not, traffic is
	// served from full buckets until it is there.
	RequiredAtStart bool `toml:"required_at_start"`
	// MigrateTo is the limit that gets the buckets of a store that knew of one limit only. Without
	// it the only limit gets them, otherwise the one named default.
	MigrateTo string `toml:"migrate_to"`
	// LimitsKept is for how long a limit's buckets are kept once it is gone, except those that
	// operators wrote, which are kept for ever.
	LimitsKept time.Duration `toml:"limits_kept"`
	// Postgres is where the postgres driver connects to.
	Postgres Postgres `toml:"postgres"`
}

// Postgres is a connection to PostgreSQL.
type Postgres struct {
	// Host is a name, an address, or the folder of a Unix socket, which starts with a slash.
	Host string `toml:"host"`
	// Port is the server's, 1 to 65535.
	Port int `toml:"port"`
	// User is the role to connect as. It must own the schema, or be allowed to make it.
	User string `toml:"user"`
	// Password is the role's; "" if the server asks for none. EQUALIZER_POSTGRES_PASSWORD wins over
	// the file.
	Password Secret `toml:"password"`
	// DBName is the database, which must exist.
	DBName string `toml:"dbname"`
	// SSLMode is one of libpq's: disable, allow, prefer, require, verify-ca, verify-full. Only the
	// last authenticates the server.
	SSLMode string `toml:"sslmode"`
	// Schema holds our tables, and is made if it doesn't exist. One process at a time may use it.
	Schema string `toml:"schema"`
}

// Log is what is logged, to standard error.
type Log struct {
	// Level is the lowest level that is logged: debug, info, warn or error.
	Level string `toml:"level"`
	// Format is json for one object a line, or console for people.
	Format string `toml:"format"`
	// Access reports whether every request gets a line.
	Access bool `toml:"access"`
}
