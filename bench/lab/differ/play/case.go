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

// Request plays a request case. It returns an error if the proxy is gone, or did harm to the next
// client.
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

// Response plays a response case.
func (p *Proxy) Response(k corpus.Case) (Outcome, error) {
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
	return ofResponse(k, heard), errors.Join(harm, err)
}

// clean sends a request as another client. What came before must not affect it.
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

// Smuggled reports whether an outcome has a request that was hidden in another.
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
