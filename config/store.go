package config

import "time"

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
	Driver string `toml:"driver" default:"bolt" enum:"bolt,postgres,memory"`
	// Path is the bolt driver's file. Its folder is made if it doesn't exist.
	Path string `toml:"path" default:"data/equalizer.db"`
	// Durability is DurabilityInterval or DurabilityStrict. Strict reserves tokens in the store
	// before they are spent. It costs clients up to a capacity after a crash, and while the store
	// is away, clients that have spent what is reserved are refused.
	Durability string `toml:"durability" default:"interval" enum:"interval,strict"`
	// FlushInterval is the time between two flushes of what was spent. It is also what a crash can
	// lose: a client regains at most what it spent, and earns, in that time.
	FlushInterval time.Duration `toml:"flush_interval" default:"1s" min:"10ms" max:"1h" why:"the spending that a crash may give back"`
	// Timeout bounds each call to the store, and so how long an admin write may take.
	Timeout time.Duration `toml:"timeout" default:"5s"`
	// ConnectTimeout is how long the start waits for a store that is away or held by another
	// process.
	ConnectTimeout time.Duration `toml:"connect_timeout" default:"30s"`
	// RequiredAtStart reports whether a store that stays away ends the start. If not, traffic is
	// served from full buckets until it is there.
	RequiredAtStart bool `toml:"required_at_start" default:"true"`
	// Standby has the start wait, with no end, while another process holds the store or the store
	// is away. /readyz is 503 meanwhile.
	Standby bool `toml:"standby" default:"false"`
	// Shared has several processes use the schema, the replicas, and share each client's bucket by
	// leases: what a replica may spend, it has taken from the bucket before.
	Shared bool `toml:"shared" default:"false"`
	// ReplicaName is what this process is called among them: 1 to 64 visible ASCII characters. No
	// two that run have the same.
	ReplicaName string `toml:"replica_name" else:"HOST-PID"`
	// LeaseInterval is the time between two rounds, in which a replica asks for what it needs and
	// gives back what it doesn't. A shorter one follows clients from replica to replica sooner, and
	// costs the database more.
	LeaseInterval time.Duration `toml:"lease_interval" default:"1s" min:"50ms" max:"1m"`
	// LeaseTTL is for how long a replica without the store may spend what it holds, and for how
	// long the tokens of one that crashed are out of reach. It is 3 intervals at least.
	LeaseTTL time.Duration `toml:"lease_ttl" default:"10s" min:"150ms" max:"10m"`
	// MigrateTo is the limit that gets the buckets of a store that knew of one limit only. Without
	// it the only limit gets them, otherwise the one named default.
	MigrateTo string `toml:"migrate_to"`
	// LimitsKept is for how long a limit's buckets are kept once it is gone, except those that
	// operators wrote, which are kept for ever.
	LimitsKept time.Duration `toml:"limits_kept" default:"168h" min:"1m" max:"87600h" or:"0s to keep them for ever"`
	// Key is what private keys are sealed with before they are stored in PostgreSQL: 32 bytes in
	// base64 or hexadecimal. EQUALIZER_STORE_KEY wins over the file. KeyFile is a file with it.
	Key     Secret `toml:"key"`
	KeyFile string `toml:"key_file"`
	// Postgres is where the postgres driver connects to.
	Postgres Postgres `toml:"postgres"`
}

// Postgres is a connection to PostgreSQL.
type Postgres struct {
	// Host is a name, an address, or the folder of a Unix socket, which starts with a slash.
	Host string `toml:"host" default:"localhost"`
	// Port is the server's, 1 to 65535.
	Port int `toml:"port" default:"5432" min:"1" max:"65535"`
	// User is the role to connect as. It must own the schema, or be allowed to make it.
	User string `toml:"user" default:"postgres"`
	// Password is the role's; "" if the server asks for none. EQUALIZER_POSTGRES_PASSWORD wins over
	// the file.
	Password Secret `toml:"password"`
	// PasswordFile is a file with the password alone in it, instead of Password. It is read at the
	// start and at every reload.
	PasswordFile string `toml:"password_file"`
	// DBName is the database, which must exist.
	DBName string `toml:"dbname" default:"equalizer"`
	// SSLMode is one of libpq's: disable, allow, prefer, require, verify-ca, verify-full. Only the
	// last authenticates the server.
	SSLMode string `toml:"sslmode" default:"disable" enum:"disable,allow,prefer,require,verify-ca,verify-full"`
	// Schema holds our tables, and is made if it doesn't exist. One process at a time may use it,
	// unless it is shared.
	Schema string `toml:"schema" default:"gopher_equalizer"`
}
