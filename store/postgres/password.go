package postgres

import (
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

// password is what new connections are made with. It may change at any time.
type password struct{ changed atomic.Pointer[string] }

// UsePassword has new connections be made with another password than that of the Options, as after
// the role has got another one. Connections that there are go on. It may be called at any time.
func (p *password) UsePassword(text string) { p.changed.Store(&text) }

// config is pgx's configuration, with the password of now.
func (p *password) config(o Options) (*pgx.ConnConfig, error) {
	if now := p.changed.Load(); now != nil {
		o.Password = *now
	}
	return o.config()
}
