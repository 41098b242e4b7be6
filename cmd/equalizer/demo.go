package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/config"
	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/store"
)

// The demo's ports and its store, which is a file of its own, so that it never mixes with a real
// one.
const (
	demoListen    = "127.0.0.1:8000"
	demoStore     = "data/demo.db"
	demoBackends  = 3
	firstDemoPort = 8081
)

// runDemo is `equalizer demo`: the proxy in front of sample backends, all in this process.
func runDemo(ctx context.Context, args []string, t terminal) error {
	flags := newFlags("demo", demoUsage, t.stdout)
	listen := flags.String("listen", demoListen, "")
	admin := flags.String("admin", config.Default().Admin.Listen, "")
	kept := flags.String("store", demoStore, "")
	if err := parse(flags, args); err != nil {
		return err
	}
	keptIn, err := parseStore(*kept)
	if err != nil {
		return usageError{"--store: " + err.Error()}
	}
	var ports ports
	backends, err := startSamples(demoBackends, &ports)
	if err != nil {
		return err
	}
	defer backends.stop()

	c := demoConfig(backends.urls())
	keptIn.override(&c.Store)
	c.Server.Listen, c.Admin.Listen = *listen, *admin
	c.Admin.Token = config.Secret(t.getenv(config.EnvAdminToken))
	if problems := c.Validate(); len(problems) > 0 {
		return fmt.Errorf("the demo can't run with these flags:\n%w", config.Problems(problems))
	}
	log := newLogger(c.Log, t)
	defer log.lines.Close()
	listeners := listening{on: func(_ context.Context, _, address string) (net.Listener, error) { return ports.listen(address) }}
	err = serve(ctx, c, t, log, listeners, func(at addresses) {
		fmt.Fprint(t.stdout, demoTour(at, backends.urls(), *kept, ports.moved, c.Admin.Token != ""))
	})
	if errors.Is(err, store.ErrHeld) {
		err = fmt.Errorf("%w\nAnother demo runs here; give this one a file of its own with --store FILE", err)
	}
	return log.fatal(err)
}

func demoConfig(urls []string) config.Config {
	c := config.Default()
	pool := config.DefaultPool()
	pool.Health.Interval = time.Second
	pool.Health.Timeout = time.Second
	for _, url := range urls {
		pool.Backends = append(pool.Backends, config.DefaultBackend(url))
	}
	c.Pools = map[string]config.Pool{"default": pool}
	limit := config.DefaultLimit()
	limit.Capacity, limit.Refill = 10, gcra.Refill{Amount: 1, Per: time.Minute}
	c.Limits = map[string]config.Limit{"default": limit}
	c.Store.ConnectTimeout = 2 * time.Second // A second demo soon reports that the file is taken.
	c.Log.Format = "console"
	return c
}

// ports finds ports for the demo.
type ports struct {
	moved []string // a sentence for each port that was in use
}

// listen listens on the address, or on another port if that one is in use.
func (p *ports) listen(address string) (net.Listener, error) {
	ln, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		host, _, _ := net.SplitHostPort(address)
		if ln, err = net.Listen("tcp", net.JoinHostPort(host, "0")); err == nil {
			p.moved = append(p.moved, fmt.Sprintf("%s is in use by another program, so %v was taken", address, ln.Addr()))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("find a port for the demo: %w", err)
	}
	return ln, nil
}

// samples are the demo's backends.
type samples struct {
	listeners []net.Listener
	servers   []*fasthttp.Server
	serving   sync.WaitGroup
}

func startSamples(n int, ports *ports) (*samples, error) {
	s := &samples{}
	for i := range n {
		ln, err := ports.listen(net.JoinHostPort("127.0.0.1", strconv.Itoa(firstDemoPort+i)))
		if err != nil {
			s.stop()
			return nil, err
		}
		server := &fasthttp.Server{Handler: sampleHandler(i+1, ln.Addr().String()), Name: "sample", Logger: silent{}}
		s.listeners = append(s.listeners, ln)
		s.servers = append(s.servers, server)
		s.serving.Go(func() { _ = server.Serve(ln) }) // It ends at stop.
	}
	return s, nil
}

// sampleHandler responds with the number of the backend and with what it was asked.
func sampleHandler(number int, address string) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		fmt.Fprintf(ctx, "backend %d at %s: %s %s for %s\n", number, address,
			ctx.Method(), ctx.RequestURI(), ctx.Request.Header.Peek("X-Forwarded-For"))
	}
}

func (s *samples) urls() []string {
	var urls []string
	for _, ln := range s.listeners {
		urls = append(urls, "http://"+ln.Addr().String())
	}
	return urls
}

func (s *samples) stop() {
	for _, server := range s.servers {
		_ = server.Shutdown() // It closes the listeners. The proxy's connections are closed by then.
	}
	s.serving.Wait()
}

// silent is a fasthttp logger that drops everything.
type silent struct{}

func (silent) Printf(string, ...any) {}

// demoTour is the text about where things are and what to try.
func demoTour(at addresses, urls []string, kept string, moved []string, token bool) string {
	proxy, admin := "http://"+at.proxy, "http://"+at.admin
	call := "curl"
	if token {
		call = `curl -H "Authorization: Bearer $EQUALIZER_ADMIN_TOKEN"`
	}
	notes := ""
	for _, why := range moved {
		notes += "  note       " + why + "\n"
	}
	return strings.NewReplacer("CALL", call, "PROXY", proxy, "ADMIN", admin, "BACKENDS", strings.Join(urls, "  "), "STORE", kept, "NOTES", notes).Replace(demoText)
}

const demoUsage = `equalizer demo runs the proxy in front of three sample backends of its own, and
prints what to try. Every client gets 10 requests, then 1 a minute.

  --listen ADDRESS   where to accept requests (default "127.0.0.1:8000")
  --admin ADDRESS    where to serve the admin API (default "127.0.0.1:8080")
  --store STORE      where buckets are kept (default "data/demo.db")

If a port is in use, another one is taken. If EQUALIZER_ADMIN_TOKEN is set, the admin
API needs that token.
`

const demoText = `
gopher-equalizer demo

  proxy      PROXY     10 requests for each client, then 1 a minute
  admin API  ADMIN
  backends   BACKENDS
  buckets    STORE     kept over restarts; remove it to start over
NOTES
Try, in another terminal:

  # three requests, three backends
  curl PROXY/hello PROXY/hello PROXY/hello

  # spend the rest of the tokens: 429 Too Many Requests, and why
  for i in $(seq 8); do curl -s -o /dev/null PROXY/; done; curl -i PROXY/

  # your bucket, and everybody's
  CALL ADMIN/buckets/127.0.0.1
  CALL ADMIN/buckets

  # make one, look at it, change it, delete it
  CALL -X POST  -H 'Content-Type: application/json' -d '{"client_id": "test1234", "capacity": 15, "tokens": 5}' ADMIN/buckets
  CALL ADMIN/buckets/test1234
  CALL -X PUT   -H 'Content-Type: application/json' -d '{"capacity": 20, "refill": "1/s"}' ADMIN/buckets/test1234
  CALL -X PATCH -H 'Content-Type: application/json' -d '{"tokens": 0}' ADMIN/buckets/test1234
  CALL -X DELETE ADMIN/buckets/test1234

  # start over yourself: the next request gets through again
  CALL -X DELETE ADMIN/buckets/127.0.0.1; curl PROXY/

  # backends and their health, and how everything is
  CALL ADMIN/backends
  CALL ADMIN/status

Stop with Ctrl-C.

`
