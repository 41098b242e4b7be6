package api

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/balancer"
)

// BackendWriter is what the calls that change backends need. A change holds at once, and is stored
// behind. Backends go by their ids, POOL/URL. The error is balancer.ErrNoBackend if there is none.
type BackendWriter interface {
	// Override has a state, a weight or both win over the configuration.
	Override(ctx context.Context, id string, o balancer.Override) (balancer.BackendStatus, error)
	// ClearOverride has the configuration count again.
	ClearOverride(ctx context.Context, id string) (balancer.BackendStatus, error)
}

// overrideSuffix ends the path of a backend's override.
const overrideSuffix = "/override"

func (s *snapshot) getBackend(ctx *fasthttp.RequestCtx) error {
	b, err := s.backendIn(ctx, "")
	if err != nil {
		return err
	}
	detail := BackendDetail{Backend: viewBackend(b), Probes: []Probe{}}
	if s.sources.Probes != nil {
		for _, p := range s.sources.Probes(b.ID()) {
			detail.Probes = append(detail.Probes, Probe{Moment{p.At}, p.Took.Seconds(), p.OK, p.Found})
		}
	}
	return writeJSON(ctx, fasthttp.StatusOK, detail)
}

func (s *snapshot) patchBackend(ctx *fasthttp.RequestCtx) error {
	before, err := s.backendIn(ctx, "")
	if err != nil {
		return err
	}
	body, err := jsonBody(&ctx.Request)
	if err != nil {
		return err
	}
	override, err := decodeOverride(body)
	if err != nil {
		return err
	}
	return s.writeBackend(ctx, before, func(ctx context.Context, w BackendWriter, id string) (balancer.BackendStatus, error) {
		return w.Override(ctx, id, override)
	})
}

func (s *snapshot) clearOverride(ctx *fasthttp.RequestCtx) error {
	before, err := s.backendIn(ctx, overrideSuffix)
	if err != nil {
		return err
	}
	return s.writeBackend(ctx, before, func(ctx context.Context, w BackendWriter, id string) (balancer.BackendStatus, error) {
		return w.ClearOverride(ctx, id)
	})
}

// writeBackend changes a backend, logs that, and responds with what it is then.
func (s *snapshot) writeBackend(
	ctx *fasthttp.RequestCtx, before balancer.BackendStatus,
	change func(ctx context.Context, w BackendWriter, id string) (balancer.BackendStatus, error),
) error {
	switch {
	case s.sources.BackendWriter == nil:
		return ErrStarting
	case before.Address != "":
		return badRequest("%s is one address of %s, and what is wanted of that holds for all of them; want the backend without @%s",
			before.ID(), before.URL, before.Address)
	}
	deadline, cancel := s.writeContext()
	defer cancel()
	after, err := change(deadline, s.sources.BackendWriter, before.ID())
	if err != nil {
		return err
	}
	s.backendWrite(ctx, before, after)
	return writeJSON(ctx, fasthttp.StatusOK, viewBackend(after))
}

// backendIn is the backend that a path names before its suffix.
func (s *snapshot) backendIn(ctx *fasthttp.RequestCtx, suffix string) (balancer.BackendStatus, error) {
	path, _ := ctx.UserValue("id").(string)
	escaped, found := strings.CutSuffix(path, suffix)
	if !found {
		return balancer.BackendStatus{}, refuse(errNoCall, "want DELETE /backends/POOL/URL%s, which has the configuration count again", suffix)
	}
	id, err := url.PathUnescape(escaped)
	if err != nil {
		return balancer.BackendStatus{}, badRequest("the backend %s in the path: %v; want it percent-encoded, or as GET /backends has it", excerpt(escaped), err)
	}
	all := s.sources.Backends()
	if i := slices.IndexFunc(all, func(b balancer.BackendStatus) bool { return b.ID() == id }); i >= 0 {
		return all[i], nil
	}
	of := slices.DeleteFunc(slices.Clone(all), func(b balancer.BackendStatus) bool { return b.Pool+"/"+b.URL != id })
	if len(of) == 0 {
		return balancer.BackendStatus{}, refuse(balancer.ErrNoBackend, "there is no backend %s; want POOL/URL%s", excerpt(id), nearestIDs(id, all))
	}
	return balancer.Together(of), nil
}

// mostNamed is how many ids an error names.
const mostNamed = 3

// nearestIDs names the ids that have most in common with one that isn't there.
func nearestIDs(id string, all []balancer.BackendStatus) string {
	if len(all) == 0 {
		return ", and there are none"
	}
	var ids []string
	for _, b := range all {
		ids = append(ids, b.ID())
	}
	slices.SortStableFunc(ids, func(a, b string) int { return cmp.Compare(inCommon(b, id), inCommon(a, id)) })
	return ", such as " + strings.Join(ids[:min(len(ids), mostNamed)], ", ")
}

// inCommon is the length of what two texts begin with and end with alike.
func inCommon(a, b string) (n int) {
	shorter := min(len(a), len(b))
	for n < shorter && a[n] == b[n] {
		n++
	}
	end := 0
	for end < shorter-n && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	return n + end
}

// decodeOverride reads {state?, weight?}, with one of them at least.
func decodeOverride(body []byte) (o balancer.Override, err error) {
	err = decodeObject(body, memberDecoders{
		"state": func(raw []byte) error {
			text, err := textOf("state", raw)
			if err != nil {
				return err
			}
			if o.State, err = balancer.ParseState(text); err != nil {
				return badRequest("%v", err)
			}
			return nil
		},
		"weight": func(raw []byte) error {
			weight, err := wholeOf("weight", raw, 1)
			if err != nil {
				return err
			}
			if *weight > balancer.MaxWeight {
				return badRequest("weight is %d; want 1 to %d", *weight, balancer.MaxWeight)
			}
			o.Weight = int(*weight)
			return nil
		},
	})
	if err == nil && o == (balancer.Override{}) {
		err = badRequest("the body changes nothing; want state or weight in it")
	}
	if err != nil {
		return balancer.Override{}, err
	}
	return o, nil
}
