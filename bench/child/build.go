//go:build linux

package child

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
)

// Build makes this revision's programs in a folder, as make build does. Packages are import paths.
func Build(ctx context.Context, dir string, packages ...string) error {
	args := append([]string{"build", "-trimpath", "-o", dir + "/"}, packages...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w: %s", err, out)
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
