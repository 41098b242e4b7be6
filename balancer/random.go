package balancer

// random draws a backend by weight, whatever the backends have to do.
type random struct{ *candidates }

// newRandom is the builder of Random.
func newRandom() builder {
	return func(c *candidates) chooser { return random{c} }
}

func (r random) choose(Client) *Backend { return r.draw(&tried{}, r.now()) }

func (r random) another(_ Client, tried tried) *Backend { return r.other(&tried) }
