package balancer

// p2c draws two backends by weight, and chooses the one with fewer requests in flight for its
// weight: "the power of two choices". However many backends there are, it looks at two. Proxies
// that share backends don't all choose the same one.
type p2c struct{ *field }

// newP2C is the builder of P2C.
func newP2C() builder {
	return func(f *field) chooser { return p2c{f} }
}

func (p p2c) choose(_ Client, tried tried) *Backend {
	at := p.now()
	b, other := p.two(tried, at)
	if other != nil && p.load(other, at) < p.load(b, at) {
		return other
	}
	return b
}

// two draws two backends that weren't tried; nil stands for one that there isn't.
func (f *field) two(tried tried, at moment) (b, other *Backend) {
	if b = f.draw(&tried, at); b == nil {
		return nil, nil
	}
	tried = tried.with(b)
	return b, f.draw(&tried, at)
}
