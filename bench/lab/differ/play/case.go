//go:build linux

package play

import (
	"errors"
	"fmt"
	"strings"

	"gopher-equalizer/bench/lab/differ/corpus"
)

// Proxy is what cases are played through.
type Proxy struct {
	Client
	Backend *Backend
	played  int
}

// Request plays a request case. The error is that of a proxy that is gone, or that did harm to the
// next client.
func (p *Proxy) Request(k corpus.Case) (Outcome, error) {
	p.Backend.Begin(nil)
	heard, err := p.Send(k)
	if err != nil {
		return Outcome{}, err
	}
	clean, harm := p.clean()
	seen, err := p.Backend.Settle(p.Patience)
	return ofRequest(k, heard, without(seen, clean)), errors.Join(harm, err)
}

// Answer plays an answer case.
func (p *Proxy) Answer(k corpus.Case) (Outcome, error) {
	p.Backend.Begin(&k)
	heard, err := p.Ask(k.Ask, p.Backend.Release)
	if err != nil {
		return Outcome{}, err
	}
	_, harm := p.clean()
	seen, err := p.Backend.Settle(p.Patience)
	asked := 0
	for _, s := range seen {
		if s.Request != nil && s.Request.Target == "/case" {
			asked++
		}
	}
	if asked > 2 {
		err = errors.Join(err, fmt.Errorf("the backend was asked %d times", asked))
	}
	return ofAnswer(k, heard), errors.Join(harm, err)
}

// clean has another client send a request, which must not be touched by what came before.
func (p *Proxy) clean() (target string, err error) {
	p.played++
	target = fmt.Sprintf("/clean-%d", p.played)
	return target, p.Clean(target)
}

// without leaves out the clean client's request.
func without(seen []Seen, target string) (rest []Seen) {
	for _, s := range seen {
		if s.Request == nil || s.Request.Target != target {
			rest = append(rest, s)
		}
	}
	return rest
}

// Smuggled reports whether an outcome has a request of its own that was hidden in another.
func (o Outcome) Smuggled() bool {
	_, text, raw := strings.Cut(o.Text, " | ")
	if !raw {
		text = o.Text
	}
	for request := range strings.SplitSeq(strings.TrimPrefix(text, "close: "), "; ") {
		if _, target, _ := strings.Cut(request, " "); strings.HasPrefix(target, "/smuggled") {
			return true
		}
	}
	return false
}
