package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"gopher-equalizer/cmd/equalizer/internal/adminclient"
)

// healthcheckTimeout is below the default timeout of a check in container runtimes.
const healthcheckTimeout = 2 * time.Second

// runHealthcheck is `equalizer healthcheck`, for containers, which have no curl.
func runHealthcheck(ctx context.Context, args []string, t terminal) error {
	flags := newAdminFlags("healthcheck", usage, t)
	flags.timeout, flags.harmless = healthcheckTimeout, true
	if err := parse(flags.flagSet, args); err != nil {
		return err
	}
	return flags.call(ctx, t, func(ctx context.Context, admin *adminclient.Client) error {
		_, err := admin.Call(ctx, http.MethodGet, "/readyz", nil)
		var refused *adminclient.Problem
		if errors.As(err, &refused) {
			return fmt.Errorf("not ready: the admin API at %s responded %d: %s", admin.Address(), refused.Status, refused.Detail)
		}
		return err
	})
}
