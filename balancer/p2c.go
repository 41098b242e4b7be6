package balancer

// p2c draws two backends by weight, and chooses the one with fewer requests in flight for its
// weight: "the power of two choices". However many backends there are, it looks at two. Proxies
// that share backends don't all choose the same one.
type p2c struct{ *candidates }

// newP2C is the builder of P2C.
func newP2C() builder {
	return func(c *candidates) chooser { return p2c{c} }
}

func (p p2c) choose(Client) *Backend {
	at := p.now()
	b, other := p.two(at)
	return p.freer(b, other, at)
}

func (p p2c) another(_ Client, tried tried) *Backend {
	at := p.now()
	b, other := p.twoOthers(&tried, at)
	return p.freer(b, other, at)
}
