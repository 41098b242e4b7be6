package main

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/config"
	"gopher-equalizer/store"
)

// A reload's store.timeout bounds how long blobs wait for a file that another process holds.
func TestBlobsFollowTheTimeout(t *testing.T) {
	c := config.Default().Store
	c.Path = filepath.Join(t.TempDir(), "held.db")
	held, _, err := openStore(t.Context(), c, nil, nil, zerolog.Nop())
	require.NoError(t, err)
	defer func() { assert.NoError(t, held.Close()) }()
	c.Timeout = time.Hour
	blobs := newLazyBlobs(c, nil, zerolog.Nop())
	c.Timeout = time.Millisecond
	blobs.follow(c)
	_, _, err = blobs.Get(t.Context(), "a")
	isOver := errors.Is(err, store.ErrHeld) || errors.Is(err, context.DeadlineExceeded) // in the middle of an attempt
	assert.True(t, isOver, err)
}
