//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// caddyVersion is the release that is built. Caddy's modules are not in go.mod, since no code here
// needs them.
const caddyVersion = "v2.11.9"

// buildCaddy builds Caddy into the user's cache, or finds it there.
func buildCaddy(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("caddy: %w", err)
	}
	dir := filepath.Join(cache, "gopher-equalizer", "caddy-"+caddyVersion)
	program := filepath.Join(dir, "caddy")
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	cmd := exec.CommandContext(ctx, "go", "install", "github.com/caddyserver/caddy/v2/cmd/caddy@"+caddyVersion)
	cmd.Env = append(os.Environ(), "GOBIN="+dir, "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("caddy: go install: %w: %s", err, lastLine(out))
	}
	return program, nil
}

// lastLine is the go command's reason for a failure.
func lastLine(out []byte) []byte {
	out = bytes.TrimSpace(out)
	return out[bytes.LastIndexByte(out, '\n')+1:]
}
