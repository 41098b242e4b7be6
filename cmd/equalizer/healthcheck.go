package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/config"
)

// healthcheckTimeout is below the default timeout of a check in container runtimes.
const healthcheckTimeout = 2 * time.Second

// runHealthcheck is `equalizer healthcheck`, for containers, which have no curl.
func runHealthcheck(args []string, t terminal) error {
	flags := newFlags("healthcheck", usage, t.stdout)
	admin := flags.String("admin", "", "")
	file := flags.String("c", "", "")
	if err := parse(flags, args); err != nil {
		return err
	}
	if *admin == "" {
		return readyBy(*file, t)
	}
	host, port, err := net.SplitHostPort(*admin)
	if err != nil {
		return usageError{fmt.Sprintf("--admin %q is no address; want HOST:PORT", *admin)}
	}
	return ready(net.JoinHostPort(reachable(host), port))
}

// readyBy asks the admin API that a file configures. The process may run by an earlier version of
// the file, so mistakes in the file don't make the process unhealthy.
func readyBy(file string, t terminal) error {
	c, mistakes := config.Default(), error(nil)
	if file != "" {
		c, _, mistakes = config.Load(file, config.Options{Getenv: t.getenv})
	}
	host, port, err := net.SplitHostPort(c.Admin.Listen)
	if err != nil && mistakes != nil {
		return mistakes
	}
	if err == nil {
		err = ready(net.JoinHostPort(reachable(host), port))
	}
	if err != nil {
		return errors.Join(mistakes, err)
	}
	return nil
}

// reachable is the address by which the same machine reaches a listener on this host.
func reachable(host string) string {
	addr, err := netip.ParseAddr(host)
	switch {
	case host == "", err == nil && addr.IsUnspecified() && addr.Is4():
		return "127.0.0.1"
	case err == nil && addr.IsUnspecified():
		return "::1"
	}
	return host
}

// ready asks the admin API whether the proxy is ready for traffic.
func ready(address string) error {
	client := fasthttp.HostClient{Addr: address, DialDualStack: true, MaxIdemponentCallAttempts: 1}
	defer client.CloseIdleConnections()
	status, body, err := client.GetTimeout(nil, "http://"+address+"/readyz", healthcheckTimeout)
	switch {
	case errors.Is(err, fasthttp.ErrTimeout):
		return fmt.Errorf("no response from the admin API at %s within %v", address, healthcheckTimeout)
	case err != nil:
		return fmt.Errorf("the admin API at %s can't be reached: %w", address, err)
	case status != fasthttp.StatusOK:
		return fmt.Errorf("not ready: the admin API at %s responded %d %s", address, status, body)
	}
	return nil
}
