package main

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/config"
)

// Each driver has blobs, and a store that is opened again has the id that it was given.
func TestStoresKeepTheirID(t *testing.T) {
	c := config.Default().Store
	c.Timeout, c.ConnectTimeout = time.Minute, time.Minute
	idOf := func() string {
		t.Helper()
		buckets, _, err := openStore(t.Context(), c, nil, nil, zerolog.Nop())
		require.NoError(t, err)
		id, err := instanceID(t.Context(), c, buckets, zerolog.Nop())
		require.NoError(t, err)
		require.NoError(t, buckets.Close())
		require.NotEmpty(t, id)
		return id
	}
	c.Driver, c.Path = config.StoreBolt, filepath.Join(t.TempDir(), "a.db")
	first := idOf()
	require.Equal(t, first, idOf())
	c.Path = filepath.Join(t.TempDir(), "b.db")
	require.NotEqual(t, first, idOf(), "another store")
	c.Driver = config.StoreMemory
	require.NotEqual(t, idOf(), idOf(), "it ends with the process")
}
