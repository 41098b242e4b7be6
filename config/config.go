package config

import (
	"cmp"
	"time"

	"gopher-equalizer/balancer"
)

// Config is everything that can be configured, with one field for each key. It is plain data.
// config.toml explains each key at length, and the other packages get settings of their own that
// are made from it.
//
// Defaults, validation of single values, [Loaded.Print] and [Schema] are made from the tags:
//
//	toml       the key's name
//	former     a name that it had before, which is read with a warning
//	default    its default, if that isn't the zero value
//	else       what the zero value leaves the key to
//	min, max   its bounds, both included; above: one that isn't
//	or         a value beside the bounds, and what that is for: "0s for none"
//	why        the end of what a mistake wants: "as every connection holds a buffer of this size"
//	enum       the only values, with commas between
//	required   a key that its table must have
//	file       what the file is that the value names: "certificate", a key's too, or "page"
//
// A duration without bounds is 1ms to 24h.
type Config struct {
	// Include are files, and patterns of files, that belong to this one. They are relative to its
	// folder. What a pattern matches is read in the order of names. The files can't include others.
	Include []string `toml:"include"`

	Server Server           `toml:"server"`
	Admin  Admin            `toml:"admin"`
	Pools  map[string]Pool  `toml:"pools"`
	Limits map[string]Limit `toml:"limits"`
	// Routes choose between pools and limits. Without any, everything goes to the only pool, under
	// the only limit; see [Config.RoutesInForce].
	Routes []Route `toml:"routes"`
	// Listeners are where clients are accepted. Without any it is the server's address, in clear;
	// see [Config.ListenersInForce].
	Listeners []Listener `toml:"listeners"`
	TLS       ServerTLS  `toml:"tls"`
	Store     Store      `toml:"store"`
	Log       Log        `toml:"log"`
}

// The values of [Server.ReloadOnChange] besides "off".
const (
	ReloadCertificates = "certificates"
	ReloadAll          = "all"
)

// What becomes of requests that belong to no trace.
const (
	TracesPass  = "pass"  // they go on as they are
	TracesBegin = "begin" // they begin one
)

// Server is the public listener and what it expects of clients.
type Server struct {
	// Listen is the address to accept on, HOST:PORT. Without a host it is all addresses, with port
	// 0 any free port.
	Listen string `toml:"listen" default:":8000"`
	// TrustedProxies are the addresses and CIDRs whose X-Forwarded-For is believed. Anyone in here
	// can claim to be any client.
	TrustedProxies []string `toml:"trusted_proxies"`
	// Via is this proxy's name in the Via of the requests that it forwards, up to 64 characters.
	// Each process adds a suffix of its own, and a request that has it already is in a loop: 508.
	// With "" there is no Via, which makes some servers stop compressing.
	Via string `toml:"via"`
	// Traces is TracesPass or TracesBegin: what becomes of requests that come without a valid
	// traceparent (W3C Trace Context). Others pass it on.
	Traces string `toml:"traces" default:"pass" enum:"pass,begin"`
	// TracesSampled is the share of the traces that begin here that is marked as sampled.
	TracesSampled float64 `toml:"traces_sampled" default:"1" min:"0" max:"1"`
	// MaxHeader bounds a request's line and header. A larger one is 431, or 414 if the line alone
	// is larger. Every connection holds a buffer of this size while a request is read.
	MaxHeader Size `toml:"max_header" default:"16KiB" min:"1KiB" max:"1MiB" why:"as every connection holds a buffer of this size"`
	// MaxBody bounds a request's body, and a larger one is 413. 0 is no bound. Bodies are streamed,
	// so a large one costs no memory.
	MaxBody Size `toml:"max_body" min:"0"`
	// RateLimitHeaders has every response of a limited route carry RateLimit and RateLimit-Policy,
	// and not only the 429s. Clients can then slow down in time. It takes room in every response.
	RateLimitHeaders bool `toml:"ratelimit_headers"`
	// HeaderTimeout is how long a request's header may take to arrive. Slow clients need it long,
	// and against attackers who trickle headers it should be short.
	HeaderTimeout time.Duration `toml:"header_timeout" default:"10s"`
	// IdleTimeout is how long a connection is kept between requests.
	IdleTimeout time.Duration `toml:"idle_timeout" default:"75s"`
	// ReadTimeout is how long a client may send nothing in the middle of a body.
	ReadTimeout time.Duration `toml:"read_timeout" default:"60s"`
	// WriteTimeout is how long a client may take nothing in the middle of a response.
	WriteTimeout time.Duration `toml:"write_timeout" default:"60s"`
	// MinRate is the least rate at which a client must send a request's body, and take a response.
	// 0 is no least rate. A higher one frees backends from slow clients sooner, and cuts off
	// clients on bad networks.
	MinRate Rate `toml:"min_rate" default:"1KiB" min:"1" max:"1GiB" or:"0 for none"`
	// RateGrace is how far, in time, a client may fall behind MinRate.
	RateGrace time.Duration `toml:"rate_grace" default:"30s"`
	// TunnelTimeout is how long both sides of an upgraded connection, such as a WebSocket, may send
	// nothing. 0s is for ever, and keeps those whose client vanished without a word.
	TunnelTimeout time.Duration `toml:"tunnel_timeout" default:"1h" or:"0s for none"`
	// MaxConnections bounds the clients' connections. Past it none is accepted until one closes. 0
	// is as many as the limit of open files has room for.
	MaxConnections int `toml:"max_connections" min:"1" max:"10000000" or:"0 for what the limit of open files allows"`
	// MaxStreams bounds the requests that a client may have open at a time on one connection of
	// HTTP/2. One more is refused, and clients send it again later.
	MaxStreams int `toml:"max_streams" default:"100" min:"1" max:"10000"`
	// MaxRunning bounds the requests of HTTP/2 that run at a time, over all connections. Others
	// wait for their turn. 0 is as many as backends take, and the limit of open files has room for.
	MaxRunning int `toml:"max_running" min:"1" max:"10000000" or:"0 for what the limit of open files allows"`
	// DrainDelay is how long to go on accepting after SIGTERM, with readiness off, so that load
	// balancers in front notice in time. 0 is no delay.
	DrainDelay time.Duration `toml:"drain_delay" or:"0s for none"`
	// ShutdownTimeout is how long the last flush and the requests that run may take after that.
	// Then what is left is cut.
	ShutdownTimeout time.Duration `toml:"shutdown_timeout" default:"20s"`
	// TunnelGrace is how long tunnels and event streams may go on at a stop once the store is
	// released, if a supervisor holds the sockets and new connections wait for this process to end.
	TunnelGrace time.Duration `toml:"tunnel_grace" default:"1s" or:"0s for none"`
	// ReloadOnChange is what is read again when a file changes, without a signal or a call of the
	// admin API: the files of certificates that the configuration in force names, or the
	// configuration, with all files that it names. Without the latter an edit is in force only when
	// somebody means it to be.
	ReloadOnChange string `toml:"reload_on_change" default:"certificates" enum:"off,certificates,all"`
}

// Admin is the admin API's listener.
type Admin struct {
	// Listen is the address to accept on, HOST:PORT or unix:///PATH. An address that other machines
	// reach wants a Token or a ReadToken, and a Cert or Insecure. The socket's owner and group may
	// use it.
	Listen string `toml:"listen" default:"127.0.0.1:8080"`
	// Token is the bearer token that callers must send: 16 to 256 visible ASCII characters. With ""
	// none is needed. EQUALIZER_ADMIN_TOKEN wins over the file.
	Token Secret `toml:"token"`
	// TokenFile is a file with the token alone in it, instead of Token. It is read at the start and
	// at every reload.
	TokenFile string `toml:"token_file"`
	// ReadToken is another bearer token, with which callers may only read. ReadTokenFile is a file
	// with it. EQUALIZER_ADMIN_READ_TOKEN wins over the file.
	ReadToken     Secret `toml:"read_token"`
	ReadTokenFile string `toml:"read_token_file"`
	// Cert is a PEM file with the certificate by which the API speaks TLS, and with its chain; ""
	// is no TLS. Key is the file with its key; "" stands for Cert. Both are read at the start and
	// at each reload.
	Cert string `toml:"cert" file:"certificate"`
	Key  string `toml:"key" file:"certificate"`
	// Insecure allows an address that other machines reach without TLS. Whoever is on the way can
	// read the token, unless something else encrypts it.
	Insecure bool `toml:"insecure"`
}

// Pool is a named set of backends with one strategy and one health check.
type Pool struct {
	// Strategy is how the pool picks.
	Strategy balancer.Strategy `toml:"strategy" default:"round_robin" enum:"round_robin,random,least_in_flight,p2c,peak_ewma,hash,sticky"`
	// HashBy is what identifies a client for the strategy hash, as a limit's key does.
	HashBy string `toml:"hash_by" default:"ip"`
	// StickyCookie is the name of the cookie of the strategy sticky. "" stands for one made of the
	// pool's name; see [Config.CookieOf].
	StickyCookie string `toml:"sticky_cookie"`
	// SlowStart is how long a backend that becomes available takes to get its whole share of the
	// requests, relative to those that are available for longer. 0 is no time.
	SlowStart time.Duration `toml:"slow_start" or:"0s for none"`
	// Backends are what it picks from, at least one. In TOML each is a URL or a table. The last
	// ones are those of BackendsFile.
	Backends []Backend `toml:"backends"`
	// BackendsFile is a file with a backend on each line. It is read again when it changes, which
	// [Loaded.RereadBackends] does. "" is none.
	BackendsFile string `toml:"backends_file"`
	// ResolveInterval is how often the names of backends are looked up, so that each address of a
	// name is a backend of its own. 0 leaves names to connects. Resolver is the DNS server to ask,
	// HOST:PORT; "" stands for the system's resolver.
	ResolveInterval time.Duration `toml:"resolve_interval" min:"1s" max:"24h" or:"0s to leave names to connects"`
	Resolver        string        `toml:"resolver"`
	// Host is sent to the backends as Host. "" stands for the client's.
	Host string `toml:"host"`
	// ConnectTimeout bounds a connect to a backend, with the TLS handshake. Past it the request
	// goes to another backend.
	ConnectTimeout time.Duration `toml:"connect_timeout" default:"3s"`
	// ResponseTimeout is how long a backend may take until its response's header is there. Past it
	// the request is 504.
	ResponseTimeout time.Duration `toml:"response_timeout" former:"answer_timeout" default:"60s"`
	// IdleTimeout is how long a backend may send or take nothing in the middle of a body.
	IdleTimeout time.Duration `toml:"idle_timeout" default:"75s"`
	// TotalTimeout bounds a whole response with its body. 0 is no bound, which event streams and
	// long downloads need.
	TotalTimeout time.Duration `toml:"total_timeout" or:"0s for none"`
	// MaxConnections bounds the connections to each backend. If all are taken at every backend, a
	// request waits in the queue.
	MaxConnections int `toml:"max_connections" default:"1024" min:"1" max:"1000000"`
	// MaxResponseHeader bounds the header of a backend's response, interim or final, and its
	// trailers, each. Past it the request is 502. A header of more than 16KiB takes memory while it
	// is relayed, up to four times its size.
	MaxResponseHeader Size `toml:"max_response_header" default:"64KiB" min:"1KiB" max:"1MiB" why:"as a response may take memory of this size"`
	// MaxInFlight bounds the requests in flight at all backends together. 0 is no bound.
	MaxInFlight int `toml:"max_in_flight" min:"1" max:"1000000" or:"0 for none"`
	// Queue is how many requests may wait while no backend has room for them, and QueueTimeout how
	// long each may. Past either a request is 503. 0 is no queue.
	Queue        int           `toml:"queue" default:"1000" min:"1" max:"100000" or:"0 for none"`
	QueueTimeout time.Duration `toml:"queue_timeout" default:"1s"`
	// ClientShare is the share of each backend's connections, and of the queue, that one client may
	// hold, and at least one. Past it a request is 503. A client is its address, as with the key
	// "ip". 1 is no bound.
	ClientShare float64 `toml:"client_share" default:"0.5" above:"0" max:"1"`
	// KeepAlive is how long an unused connection is kept, unless the backend announces less.
	// Shorter means more connects, longer more connections that wait.
	KeepAlive time.Duration `toml:"keep_alive" default:"1m"`
	// MaxConnectionAge is how long a connection is used, less up to a fifth. Shorter means more
	// connects. Longer means that a name's new addresses get their share later. 0 is no bound.
	MaxConnectionAge time.Duration `toml:"max_connection_age" default:"10m" or:"0s for none"`
	// TLS is for the backends by https.
	TLS TLS `toml:"tls"`
	// Health is how the backends are probed.
	Health Health `toml:"health"`
	// Ejection is for what a backend is left out although its probes succeed.
	Ejection Ejection `toml:"ejection"`
	// Retry is which requests are retried, where their route doesn't say.
	Retry Retry `toml:"retry"`
	// RetryBudget bounds the retries of all requests.
	RetryBudget RetryBudget `toml:"retry_budget"`
}

// Backend is one address that requests are forwarded to.
type Backend struct {
	// URL is http://HOST:PORT, https://HOST:PORT or unix:///PATH; the ports are 80 and 443 by
	// default. See [Backend.Addr] and [Backend.ServerName].
	URL string `toml:"url" required:"true"`
	// Weight is the backend's share of the requests relative to the others', 1 to 100.
	Weight int `toml:"weight" default:"1" min:"1" max:"100"`
	// MaxInFlight bounds the requests in flight at the backend, beside the pool's MaxConnections. 0
	// is no other bound.
	MaxInFlight int `toml:"max_in_flight" min:"1" max:"1000000" or:"0 for the pool's max_connections"`
	// Backup backends get requests only while none of the others is available.
	Backup bool `toml:"backup"`
	// State is what the operator wants of it.
	State balancer.State `toml:"state" default:"ready" enum:"ready,drain,maint"`
}

// TLS is how the certificates of a pool's https backends are verified, and which certificate they
// are shown. Files are PEM, and are read at the start and at each reload.
type TLS struct {
	// CA is a file with the only authorities to trust. "" stands for the system's.
	CA string `toml:"ca" file:"certificate"`
	// ServerName is the name asked for (SNI), which the certificates must be for. "" stands for
	// each URL's host.
	ServerName string `toml:"server_name"`
	// Cert is a file with the certificate that backends are shown if they ask for one, and with the
	// intermediate ones. Key is the file with its key. "" is none.
	Cert string `toml:"cert" file:"certificate"`
	Key  string `toml:"key" file:"certificate"`
	// Verify reports whether certificates are verified. If not, an attacker in between can read and
	// change everything.
	Verify bool `toml:"verify" default:"true"`
}

// Health is how a pool's backends are probed. A dead backend gets no more requests after Fall *
// Interval + Timeout.
type Health struct {
	// Type is what a probe does: ask for a path, or only connect. It uses TLS as requests do.
	Type balancer.HealthType `toml:"type" default:"http" enum:"http,tcp"`
	// Port is probed instead of the backend's own.
	Port int `toml:"port" min:"1" max:"65535" or:"0 for the backend's own"`
	// Method and Path are what an HTTP probe asks for.
	Method string `toml:"method" default:"GET" enum:"GET,HEAD,OPTIONS"`
	Path   string `toml:"path" default:"/"`
	// Host is an HTTP probe's Host. "" stands for the backend's address.
	Host string `toml:"host"`
	// Headers are fields that it sends besides, such as a credential.
	Headers map[string]Secret `toml:"headers"`
	// Statuses are those of a healthy backend, for an HTTP probe. None stands for all below 500.
	Statuses []balancer.StatusRange `toml:"statuses"`
	// MatchBody is a regular expression that is found in a healthy backend's response, in its first
	// balancer.MaxProbedBody bytes. "" doesn't look for any.
	MatchBody string `toml:"match_body"`
	// AdviceHeader is the name of the response's header by which a backend advises a smaller share,
	// as balancer.ParseAdvice reads it. With "" backends aren't asked.
	AdviceHeader string `toml:"advice_header"`
	// Interval is the time between two probes of a backend. A shorter one notices sooner, and costs
	// every backend more requests.
	Interval time.Duration `toml:"interval" default:"5s"`
	// Timeout bounds one probe. It is at most Interval.
	Timeout time.Duration `toml:"timeout" default:"2s"`
	// Rise is how many probes in a row must succeed to bring a backend back, 1 to 100.
	Rise int `toml:"rise" default:"2" min:"1" max:"100"`
	// Fall is how many in a row must fail to take one out, 1 to 100. With 1, one lost packet is
	// enough.
	Fall int `toml:"fall" default:"3" min:"1" max:"100"`
}

// Ejection is for what a pool's backends are ejected: left out because of what their requests show,
// although their probes succeed.
type Ejection struct {
	// ConsecutiveFailures is how many requests in a row must fail. 0 doesn't count them.
	ConsecutiveFailures int `toml:"consecutive_failures" default:"5" min:"1" max:"1000" or:"0 to count none"`
	// Statuses are those of responses that count as failures, beside connects that fail, responses
	// that break and those that are late.
	Statuses []balancer.StatusRange `toml:"statuses" default:"502-504"`
	// SuccessRate ejects a backend whose requests succeed far less often than those of the others,
	// and Latency one whose responses take far longer.
	SuccessRate bool `toml:"success_rate"`
	Latency     bool `toml:"latency"`
	// Interval is how often backends are compared.
	Interval time.Duration `toml:"interval" default:"10s" min:"1s" max:"1h"`
	// Deviations is how many standard deviations from the mean of the others are far.
	Deviations float64 `toml:"deviations" default:"3" min:"1" max:"100"`
	// MinRequests is how many requests a backend must have had in an interval to be compared, and
	// MinBackends how many such backends there must be.
	MinRequests int `toml:"min_requests" default:"100" min:"1" max:"1000000"`
	MinBackends int `toml:"min_backends" default:"3" min:"2" max:"1000"`
	// Time is how long the first ejection lasts. The next one lasts twice as long, and so on up to
	// MaxTime. A backend comes back with the first probe that succeeds after it.
	Time    time.Duration `toml:"time" default:"10s"`
	MaxTime time.Duration `toml:"max_time" default:"5m"`
	// MaxEjectedPercent is how many of the backends may be ejected at once, rounded down.
	MaxEjectedPercent int `toml:"max_ejected_percent" default:"50" min:"0" max:"99"`
	// PanicPercent is of how many of them too few are left, so that ejected ones get requests, too.
	PanicPercent int `toml:"panic_percent" default:"25" min:"0" max:"100"`
}

// Retry is which requests are retried on another backend, and how.
type Retry struct {
	// Attempts is how many a request may have, the first one included.
	Attempts int `toml:"attempts" default:"2" min:"1" max:"4"`
	// Statuses are those of responses after which an idempotent request is retried.
	Statuses []balancer.StatusRange `toml:"statuses"`
	// PerTryTimeout bounds each attempt of an idempotent request up to the response's header, and
	// the connect of any request. 0 leaves it to the pool's timeouts.
	PerTryTimeout time.Duration `toml:"per_try_timeout" or:"0s for none"`
	// Backoff bounds the random wait before the second retry, which doubles before the third, up to
	// MaxBackoff. The first retry is made at once.
	Backoff    time.Duration `toml:"backoff" default:"25ms" max:"10s" min:"1ms" or:"0s for none"`
	MaxBackoff time.Duration `toml:"max_backoff" default:"250ms" max:"10s" min:"1ms"`
	// Body is how much of an idempotent request's body is kept to be sent again.
	Body Size `toml:"body" default:"8KiB" min:"0" max:"16MiB" why:"as every request with a body may take memory of this size"`
}

// RetryBudget bounds the retries of a pool, so that backends that fail don't get more requests for
// it.
type RetryBudget struct {
	// Percent of the requests of a second may be retried in the next one, and Floor requests a
	// second in any case.
	Percent int `toml:"percent" default:"20" min:"0" max:"100"`
	Floor   int `toml:"floor" default:"10" min:"0" max:"1000000"`
}

// CookieOf is the name of the cookie that the strategy sticky has in a pool. Pools have different
// ones, since a browser may have one of each.
func (c *Config) CookieOf(pool string) string {
	return cmp.Or(c.Pools[pool].StickyCookie, "equalizer-"+pool)
}
