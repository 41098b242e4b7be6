//go:build linux

package child

import (
	"context"
	"fmt"
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

// FreeAddresses finds n addresses of 127.0.0.1 that nobody listens on, so far.
func FreeAddresses(n int) ([]string, error) {
	var addresses []string
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer ln.Close() // all stay taken until all are found
		addresses = append(addresses, ln.Addr().String())
	}
	return addresses, nil
}
