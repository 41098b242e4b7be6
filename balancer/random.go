package balancer

// random draws a backend by weight, whatever the backends have to do.
type random struct{ *field }

// newRandom is the builder of Random.
func newRandom() builder {
	return func(f *field) chooser { return random{f} }
}

func (r random) choose(Client) *Backend { return r.draw(&tried{}, r.now()) }

func (r random) another(_ Client, tried tried) *Backend { return r.other(&tried) }
