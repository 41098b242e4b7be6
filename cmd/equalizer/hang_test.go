package main

import (
	"bytes"
	"context"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/api"
	"gopher-equalizer/config"
)

// hanging is a process that reads its configuration for ever, as from a file system that doesn't
// respond.
func hanging(t *testing.T, log *bytes.Buffer) *process {
	t.Helper()
	end := make(chan struct{})
	t.Cleanup(func() { close(end) })
	again := func() (config.Loaded, error) { <-end; return config.Loaded{}, os.ErrDeadlineExceeded }
	p := newProcess(configured{again: again}, runLog{Logger: zerolog.New(log)}, listening{})
	p.reloads.open()
	return p
}

// A reload that hangs is told of, and doesn't keep a stop. Those that come meanwhile learn of it.
func TestReloadThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		p := hanging(t, &log)
		ended := make(chan error, 2)
		for range 2 {
			go func() { _, err := p.reload("SIGHUP"); ended <- err }()
		}
		synctest.Wait()
		_, err := p.reload("the admin API")
		assert.ErrorContains(t, err, "one runs since 2000-01-01T00:00:00Z")
		time.Sleep(slowReload)
		synctest.Wait()
		assert.Contains(t, log.String(), `"since":"2000-01-01T00:00:00Z","message":"a reload takes long`)

		p.reloads.close()
		require.Equal(t, api.ErrStopping, <-ended)
		require.Equal(t, api.ErrStopping, <-ended)
		p.endReload(time.Nanosecond)
		assert.NotContains(t, log.String(), "doesn't end")
	})
}

// What hangs after the configuration was read keeps a stop only for the time that it gets.
func TestStopDoesNotWaitForWhatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		p := hanging(t, &log)
		end := make(chan struct{})
		defer close(end)
		p.tasks.run(func(context.Context) { <-end })
		require.NoError(t, p.reloads.enter())
		p.reloads.close()
		began := time.Now()
		p.endReload(time.Minute)
		assert.Equal(t, time.Minute, time.Since(began))
		p.endTasks()
		assert.Equal(t, time.Minute+tasksEnd, time.Since(began))
		assert.Contains(t, log.String(), "a reload doesn't end")
		assert.Contains(t, log.String(), "a task doesn't end")
	})
}
