//go:build linux

package child

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Lab is this module's folder, from the product's root.
const Lab = "bench/lab"

// Root finds the folder of the product's module, from any folder of it or of this module.
func Root(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "gopher-equalizer").Output()
	if err != nil {
		return "", fmt.Errorf("find the product's folder: go list -m gopher-equalizer: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Build makes programs of this revision in a folder, as make build does: ./cmd/equalizer from the
// product's root, ./bench/lab/backend and the like. Each is built in its own module, so that
// the product that is measured has the dependencies that it is shipped with.
func Build(ctx context.Context, dir string, programs ...string) error {
	return build(ctx, dir, programs, []string{"CGO_ENABLED=0"}, "-trimpath")
}

// BuildRacy is Build with the race detector.
func BuildRacy(ctx context.Context, dir string, programs ...string) error {
	return build(ctx, dir, programs, nil, "-race")
}

func build(ctx context.Context, dir string, programs, env []string, flags ...string) error {
	root, err := Root(ctx)
	if err != nil {
		return err
	}
	for _, program := range programs {
		module := root
		if below, ours := strings.CutPrefix(program, "./"+Lab+"/"); ours {
			module, program = filepath.Join(root, Lab), "./"+below
		}
		args := append([]string{"-C", module, "build"}, flags...)
		cmd := exec.CommandContext(ctx, "go", append(args, "-o", dir+"/", program)...)
		cmd.Env = append(os.Environ(), env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go build %s: %w: %s", program, err, out)
		}
	}
	return nil
}

// FreeAddresses finds n addresses of 127.0.0.1, at least one, that nobody listens on, so far. They
// are below the ports that Linux gives by default to connections and to servers that ask for any,
// so that none of these takes one before its program does.
func FreeAddresses(n int) ([]string, error) {
	const first, end, retries = 10_000, 32_768, 100
	var last error
	var addresses []string
	for range n + retries {
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(end-first)))
		if err != nil {
			last = err
			continue
		}
		defer ln.Close() // all stay taken until all are found
		if addresses = append(addresses, ln.Addr().String()); len(addresses) == n {
			return addresses, nil
		}
	}
	return nil, fmt.Errorf("fewer than %d ports from %d to %d are free on 127.0.0.1: %w", n, first, end, last)
}
