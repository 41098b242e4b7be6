package balancer

// newRandom is the builder of Random.
func newRandom() builder {
	return func(f *field) chooser {
		return &scheduled{f, func() int { return f.below(len(f.cycle)) }}
	}
}
