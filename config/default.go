package config

import (
	"time"

	"gopher-equalizer/balancer"
	"gopher-equalizer/limiter/gcra"
)

// Default is the Config without any key set. It has no pool, so it isn't valid until it gets one,
// and no limit, so nothing is limited until it gets one. See [DefaultPool] and [DefaultLimit].
func Default() Config {
	return Config{
		Server: Server{
			Listen:          ":8000",
			MaxHeader:       16 * KiB,
			HeaderTimeout:   10 * time.Second,
			IdleTimeout:     75 * time.Second,
			ReadTimeout:     60 * time.Second,
			WriteTimeout:    60 * time.Second,
			MinRate:         Rate(KiB),
			RateGrace:       30 * time.Second,
			TunnelTimeout:   time.Hour,
			ShutdownTimeout: 20 * time.Second,
			TunnelGrace:     time.Second,
		},
		Admin: Admin{Listen: "127.0.0.1:8080"},
		Store: Store{
			Driver:          StoreBolt,
			Path:            "data/equalizer.db",
			Durability:      DurabilityInterval,
			FlushInterval:   time.Second,
			Timeout:         5 * time.Second,
			ConnectTimeout:  30 * time.Second,
			RequiredAtStart: true,
			LimitsKept:      7 * 24 * time.Hour,
			Postgres: Postgres{
				Host:    "localhost",
				Port:    5432,
				User:    "postgres",
				DBName:  "equalizer",
				SSLMode: "disable",
				Schema:  "gopher_equalizer",
			},
		},
		Log: Log{Level: "info", Format: "json", Access: true},
	}
}

// DefaultPool is a pool with every key at its default. It has no backend, so it isn't valid until
// it gets one.
func DefaultPool() Pool {
	return Pool{
		Strategy:          balancer.RoundRobin,
		ConnectTimeout:    3 * time.Second,
		ResponseTimeout:   60 * time.Second,
		IdleTimeout:       75 * time.Second,
		MaxConnections:    1024,
		ClientShare:       0.5,
		KeepAlive:         time.Minute,
		MaxConnectionAge:  10 * time.Minute,
		MaxResponseHeader: 64 * KiB,
		TLS:               TLS{Verify: true},
		Health: Health{
			Type:     balancer.HealthHTTP,
			Path:     "/",
			Interval: 5 * time.Second,
			Timeout:  2 * time.Second,
			Rise:     2,
			Fall:     3,
		},
	}
}

// DefaultBackend is a backend with this URL, and every other key at its default.
func DefaultBackend(url string) Backend {
	return Backend{URL: url, Weight: 1, State: balancer.Ready}
}

// DefaultLimit is a limit with every key at its default.
func DefaultLimit() Limit {
	return Limit{
		Key:        "ip",
		Secret:     true,
		Capacity:   100,
		Refill:     gcra.Refill{Amount: 10, Per: time.Second},
		MaxBuckets: 10_000_000,
	}
}

// DefaultRoute is a route with every key at its default: it matches everything.
func DefaultRoute() Route { return Route{PathPrefix: "/", Cost: 1} }

// DefaultRedirect is a redirect with every key at its default. It has no URL, so it isn't valid
// until it gets one. Its status keeps the method, and browsers don't remember it.
func DefaultRedirect() Redirect { return Redirect{Status: 307} }

// DefaultRespond is a response with every key at its default.
func DefaultRespond() Respond { return Respond{Status: 200} }
