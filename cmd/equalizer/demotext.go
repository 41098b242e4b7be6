package main

import (
	"runtime"
	"strings"

	"gopher-equalizer/cmd/equalizer/internal/authority"
)

// demoShown is what the demo tells of itself.
type demoShown struct {
	at       addresses
	backends []string
	// kept is where buckets are, and moved has a sentence for each port that was in use.
	kept  string
	moved []string
	// traffic reports whether it sends itself some.
	traffic bool
	// token reports whether the admin API wants one.
	token bool
	// authority is nil without TLS.
	authority *authority.Authority
}

// proxyURL is where requests go.
func (s demoShown) proxyURL() string {
	if s.authority != nil {
		return secureURL(s.at.proxy)
	}
	return "http://" + s.at.proxy
}

// text says where things are, and what to try.
func (s demoShown) text() string {
	call, ask, before, behind := "curl", "curl", "", ""
	if s.token {
		call = `curl -H "Authorization: Bearer $EQUALIZER_ADMIN_TOKEN"`
	}
	if s.authority != nil {
		ask = `curl --cacert "$ca"`
		before = "  ca=" + shellQuoted(s.authority.CertFile()) + "\n\n"
		behind = trustText(s.authority, runtime.GOOS)
	}
	notes := ""
	if s.traffic {
		notes = trafficText()
	}
	for _, why := range s.moved {
		notes += "  note       " + why + "\n"
	}
	return strings.NewReplacer(
		"CALL", call, "ASK", ask, "PROXY", s.proxyURL(), "ADMIN", "http://"+s.at.admin, "BACKENDS", strings.Join(s.backends, "  "),
		"STORE", s.kept, "NOTES", notes, "BEFORE\n", before, "BEHIND\n", behind,
	).Replace(demoText)
}

const demoUsage = `equalizer demo runs the proxy in front of three sample backends of its own, and
prints what to try. Every client gets 10 requests, then 1 a minute.

  --listen ADDRESS   where to accept requests (default "127.0.0.1:8000")
  --admin ADDRESS    where to serve the admin API (default "127.0.0.1:8080")
  --store STORE      where buckets are kept (default "data/demo.db")
  --traffic          send itself requests, some 20 a second from several clients: one of
                     them is limited, and one backend fails now and then. Watch it on
                     the live page, or by equalizer top. Requests of this machine may
                     then say by X-Forwarded-For whom they are from
  --tls              by HTTPS, on "127.0.0.1:8443" by default: with an authority for
                     localhost that the demo makes, and keeps for the next time; it
                     prints how to trust it, and how to end that
  --authority FOLDER
                     where that is kept, with its key (default: a folder of this user)

If a port is in use, another one is taken. If EQUALIZER_ADMIN_TOKEN is set, the admin
API needs that token.
`

const demoText = `
gopher-equalizer demo

  live page  ADMIN/    what is wrong, traffic, backends, who is limited: watch it meanwhile
  proxy      PROXY     10 requests for each client, then 1 a minute
  admin API  ADMIN
  backends   BACKENDS
  buckets    STORE     kept over restarts; remove it to start over
NOTES
Try, in another terminal:

BEFORE
  # three requests, three backends
  ASK PROXY/hello PROXY/hello PROXY/hello

  # spend the rest of the tokens: 429 Too Many Requests, and why
  for i in $(seq 8); do ASK -s -o /dev/null PROXY/; done; ASK -i PROXY/

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
  CALL -X DELETE ADMIN/buckets/127.0.0.1; ASK PROXY/

  # backends and their health, and how everything is
  CALL ADMIN/backends
  CALL ADMIN/status

BEHIND
Stop with Ctrl-C.

`
