package main

import (
	"errors"
	"net/url"
	"strconv"
	"strings"

	"gopher-equalizer/config"
)

// storeFlag is the value of --store.
type storeFlag struct {
	driver string
	path   string   // of the bolt driver
	url    *url.URL // of the postgres driver; its port and its query are good
}

// parseStore reads --store: "memory", a postgres:// URL, or else a file's path. Errors don't quote
// it, since a URL may hold a password.
func parseStore(text string) (storeFlag, error) {
	switch {
	case text == "":
		return storeFlag{}, errStoreEmpty
	case text == config.StoreMemory:
		return storeFlag{driver: config.StoreMemory}, nil
	case !looksLikeURL(text):
		return storeFlag{driver: config.StoreBolt, path: text}, nil
	}
	u, err := url.Parse(text)
	if err != nil || !strings.Contains(text, "://") || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Fragment != "" {
		return storeFlag{}, errStoreURL
	}
	for name := range u.Query() {
		if name != "sslmode" && name != "schema" && name != "host" {
			return storeFlag{}, errStoreURL
		}
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return storeFlag{}, errStoreURL
		}
	}
	return storeFlag{driver: config.StorePostgres, url: u}, nil
}

var errStoreEmpty = errors.New("it is empty; want a file, postgres://USER@HOST:PORT/DATABASE, or memory")

// errStoreURL doesn't quote the URL, since any part of it may belong to a password that isn't
// encoded.
var errStoreURL = errors.New("it is not a good URL; want postgres://USER@HOST:PORT/DATABASE, which may end in ?sslmode=, schema= or host= " +
	"(the folder of a socket), with special characters in it percent-encoded; EQUALIZER_POSTGRES_PASSWORD can hold the password")

// looksLikeURL reports whether text is meant to be a URL, since hardly any file has such a name.
func looksLikeURL(text string) bool {
	lower := strings.ToLower(text)
	return strings.Contains(text, "://") || strings.HasPrefix(lower, "postgres:") || strings.HasPrefix(lower, "postgresql:")
}

// override lays the flag over a configuration, and returns the keys below "store" that it set.
// Parts that a URL leaves out stay as they are.
func (f storeFlag) override(s *config.Store) (keys []string) {
	s.Driver = f.driver
	switch f.driver {
	case config.StoreBolt:
		s.Path = f.path
		return []string{"driver", "path"}
	case config.StorePostgres:
		f.overridePostgres(&s.Postgres)
		return []string{"driver", "postgres"}
	}
	return []string{"driver"}
}

func (f storeFlag) overridePostgres(p *config.Postgres) {
	lay := func(field *string, value string) {
		if value != "" {
			*field = value
		}
	}
	query := f.url.Query()
	lay(&p.Host, f.url.Hostname())
	lay(&p.Host, query.Get("host"))
	lay(&p.User, f.url.User.Username())
	lay(&p.DBName, strings.TrimPrefix(f.url.Path, "/"))
	lay(&p.SSLMode, query.Get("sslmode"))
	lay(&p.Schema, query.Get("schema"))
	if password, ok := f.url.User.Password(); ok {
		p.Password = config.Secret(password)
	}
	if port, err := strconv.Atoi(f.url.Port()); err == nil {
		p.Port = port
	}
}
