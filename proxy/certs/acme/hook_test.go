package acme

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mholt/acmez/v3/acme"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// script is a hook that runs a shell script.
func script(t *testing.T, text string, timeout time.Duration) Hook {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hook")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700))
	return Hook{Command: []string{path, "first"}, Timeout: timeout}
}

var challenge = acme.Challenge{
	Type: acme.ChallengeTypeDNS01, KeyAuthorization: "token.thumbprint",
	Identifier: acme.Identifier{Type: "dns", Value: "example.com"},
}

// A hook gets the action behind its arguments, and the record in its environment, which has none of
// our own variables.
func TestHookIsTold(t *testing.T) {
	t.Setenv("EQUALIZER_STORE_KEY", "secret")
	t.Setenv("DNS_TOKEN", "of the provider")
	out := filepath.Join(t.TempDir(), "out")
	h := script(t, "echo \"$@\" >>"+out+"\nenv | grep -e ACME_ -e EQUALIZER_ -e DNS_TOKEN | sort >>"+out+"\n", timeout)
	require.NoError(t, h.Present(t.Context(), challenge))
	require.NoError(t, h.CleanUp(t.Context(), challenge))
	text, err := os.ReadFile(out)
	require.NoError(t, err)
	record := "ACME_DOMAIN=example.com\nACME_RECORD=_acme-challenge.example.com\nACME_VALUE=" +
		challenge.DNS01KeyAuthorization() + "\nDNS_TOKEN=of the provider\n"
	assert.Equal(t, "first present\n"+record+"first cleanup\n"+record, string(text))
}

// A failure has the end of what the hook wrote to standard error.
func TestHookFails(t *testing.T) {
	h := script(t, "echo unheard; echo 'the zone is locked' >&2; exit 3", timeout)
	err := h.Present(t.Context(), challenge)
	require.ErrorContains(t, err, h.Command[0]+" present: exit status 3: the zone is locked")
	require.NotContains(t, err.Error(), "unheard")

	h = script(t, "i=0; while [ $i -lt 300 ]; do echo noise >&2; i=$((i+1)); done; echo 'the end' >&2; exit 1", timeout)
	err = h.CleanUp(t.Context(), challenge)
	require.ErrorContains(t, err, "the end")
	assert.Less(t, len(err.Error()), 2*reasonSize)

	h = Hook{Command: []string{filepath.Join(t.TempDir(), "missing")}, Timeout: timeout}
	require.ErrorContains(t, h.Present(t.Context(), challenge), "no such file")
}

// A hook that hangs is killed, also if something that it started holds its output open.
func TestHookHangs(t *testing.T) {
	h := script(t, "sleep 60 & wait", 50*time.Millisecond)
	began := time.Now()
	require.ErrorContains(t, h.Present(t.Context(), challenge), "it took longer than 50ms")
	assert.Less(t, time.Since(began), 30*time.Second)

	h.Timeout = timeout
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, h.Present(ctx, challenge), context.Canceled)
	h.Propagation = time.Hour
	require.ErrorIs(t, h.Wait(ctx, challenge), context.Canceled)
}
