package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/config"
)

func TestParseStore(t *testing.T) {
	base := config.Default().Store
	good := func(text string, want func(*config.Store)) {
		t.Helper()
		f, err := parseStore(text)
		require.NoError(t, err)
		got, expected := base, base
		f.override(&got)
		want(&expected)
		assert.Equal(t, expected, got)
	}
	good("memory", func(s *config.Store) { s.Driver = "memory" })
	good("some/file.db", func(s *config.Store) { s.Driver, s.Path = "bolt", "some/file.db" })
	good("postgres://", func(s *config.Store) { s.Driver = "postgres" })
	good("postgresql://app:pass%2Fword@db.internal:6432/limits?sslmode=verify-full&schema=edge", func(s *config.Store) {
		s.Driver = "postgres"
		s.Postgres = config.Postgres{
			Host: "db.internal", Port: 6432, User: "app", Password: "pass/word", DBName: "limits", SSLMode: "verify-full", Schema: "edge",
		}
	})
	good("postgres://[::1]/", func(s *config.Store) { s.Driver, s.Postgres.Host = "postgres", "::1" })
	good("postgres:///limits?host=/run/postgresql", func(s *config.Store) {
		s.Driver, s.Postgres.Host, s.Postgres.DBName = "postgres", "/run/postgresql", "limits"
	})

	bad := func(text, why string) {
		t.Helper()
		_, err := parseStore(text)
		require.ErrorContains(t, err, why)
		assert.NotContains(t, err.Error(), "hunter2")
	}
	bad("", "it is empty")
	bad("postgres://app:hunter2@db:port/limits", "invalid port")
	bad("postgres://app:hunter2@db:0/limits", "port 0; want 1 to 65535")
	bad("postgres://app:hunter2@db:65536/limits", "port 65536; want 1 to 65535")
	bad("postgres://app:hunter2@db/limits?sslmod=disable", `unexpected parameter "sslmod"`)
	bad("postgres://app:hunter2@db\x00/limits", "want postgres://USER@HOST:PORT/DATABASE")
}

func FuzzParseStore(f *testing.F) {
	for _, seed := range []string{"memory", "data/equalizer.db", "postgres://u:p@h:1/d?schema=s", "postgres://h:99999/", "postgres://%zz", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := parseStore(text)
		if err != nil {
			return
		}
		s := config.Default().Store
		keys := parsed.override(&s)
		require.Contains(t, keys, "driver")
		require.Contains(t, []string{"bolt", "postgres", "memory"}, s.Driver)
		require.Positive(t, s.Postgres.Port)
		require.NotEmpty(t, s.Postgres.Host)
	})
}
