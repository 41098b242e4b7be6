package program

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestProgram(t *testing.T) {
	p := Program[int]{
		Name: "count", Usage: "count counts.\n",
		Parse: func(args []string) (int, error) {
			if args[0] == "--help" {
				return 0, fmt.Errorf("asked: %w", flag.ErrHelp)
			}
			var n int
			_, err := fmt.Sscan(args[0], &n)
			return n, err
		},
		Do: func(_ context.Context, n int, stderr io.Writer) error {
			if n > 3 {
				return errors.New("too far")
			}
			fmt.Fprintln(stderr, "count: at", n)
			return nil
		},
	}
	f := func(arg string, code int, out, errs string) {
		t.Helper()
		var stdout, stderr bytes.Buffer
		assert.Equal(t, code, p.Run(t.Context(), []string{arg}, &stdout, &stderr))
		assert.Equal(t, []string{out, errs}, []string{stdout.String(), stderr.String()})
	}
	f("--help", 0, "count counts.\n", "")
	f("3", 0, "", "count: at 3\n")
	f("4", ExitFailed, "", "count: too far\n")
	f("x", ExitUsage, "", "count: expected integer\nRun with --help for usage.\n")
}
