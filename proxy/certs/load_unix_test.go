//go:build unix

package certs

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/regular"
)

// Nothing waits for the other side of a pipe.
func TestLoadRefusesPipes(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	_, faults := Load(Files{Cert: pipe})
	require.Len(t, faults, 1)
	require.Contains(t, faults[0].Text, regular.ErrNotRegular.Error())
	_, err := LoadAuthorities(pipe)
	require.ErrorIs(t, err, regular.ErrNotRegular)
}
