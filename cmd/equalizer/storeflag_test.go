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
	for _, text := range []string{
		"postgres://app:hunter2@db:port/limits",
		"postgres://app:hunter2@db:0/limits",
		"postgres://app:hunter2@db:65536/limits",
		"postgres://app:hunter2@db/limits?sslmod=disable",
		"postgres://app:hunter2@db\x00/limits",
		"postgres://app:hunter2#1@db/limits",
		"postgres://app:hunter2/1@db:5432/limits",
		"postgres://app:hunter2?1=1@db/limits",
		"postgres://app:hunter2%zz@db/limits",
		"postgresql:/app:hunter2@db/limits",
		"postgres:app:hunter2@db/limits",
		"mysql://app:hunter2@db/limits",
	} {
		bad(text, "want postgres://USER@HOST:PORT/DATABASE")
	}
	good("Postgres://app@db/limits", func(s *config.Store) {
		s.Driver, s.Postgres.User, s.Postgres.Host, s.Postgres.DBName = "postgres", "app", "db", "limits"
	})
}

func FuzzParseStore(f *testing.F) {
	for _, seed := range []string{"memory", "data/equalizer.db", "postgres://u:p@h:1/d?schema=s", "postgres://h:99999/", "postgres://%zz", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := parseStore(text)
		if err != nil {
			require.Contains(t, []string{errStoreURL.Error(), errStoreEmpty.Error()}, err.Error(), "no part of it is quoted")
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
