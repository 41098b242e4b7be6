package api

// Sample is a message of GET /events in JSON, before what hasn't changed is left out. It has
// objects by name where other calls have lists, so that a change is small.
type Sample struct {
	Status Status    `json:"status"`
	Ready  Readiness `json:"ready"`
	// Routes, Backends, Limits and Takes are by name, the backends by id. Requests of no route are
	// those of the route "".
	Routes       map[string]RouteSample   `json:"routes"`
	Backends     map[string]BackendSample `json:"backends"`
	Limits       map[string]LimitView     `json:"limits"`
	Takes        map[string]TakesStatus   `json:"takes"`
	Listeners    []Listener               `json:"listeners"`
	Certificates []Certificate            `json:"certificates"`
	// RefusedMost has the clients that each limit refuses most, the first of them first.
	RefusedMost map[string][]RefusedClient `json:"refused_most"`
	// Refused are the last messages that were refused, newest first.
	Refused []RefusedMessage `json:"refused"`
}

// RouteSample is what a route is, and what was counted of it.
type RouteSample struct {
	// Place is its place among the routes, from 0; -1 if it is none of them.
	Place      int      `json:"place"`
	Host       string   `json:"host"`
	PathPrefix string   `json:"path_prefix"`
	Methods    []string `json:"methods"`
	Pools      []string `json:"pools"`
	Limits     []string `json:"limits"`
	// Responses has how many requests ended in each class of status since the start.
	Responses map[string]int64 `json:"responses"`
	// P50 and P99 are how long those took that ended since the last sample, in seconds; 0 if there
	// were none.
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

// BackendSample is what a backend is, and how fast it is now.
type BackendSample struct {
	Backend
	// P50 and P99 are how long it took until the heads of those responses were there that came
	// since the last sample, in seconds; 0 if there were none.
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

// refusedInSample is how many refused messages a sample has at most.
const refusedInSample = 50

// sample is what there is to see now. passed is what was counted of routes until now, and since the
// last sample, and backends are those that there are.
func (s *snapshot) sample(passed passed, backends map[string]BackendSample) Sample {
	status := s.currentStatus()
	sample := Sample{
		Status: status, Ready: s.sources.Ready(),
		Routes: s.sampleRoutes(passed), Backends: backends, Limits: map[string]LimitView{},
		Takes: map[string]TakesStatus{}, Listeners: s.listeners(), Certificates: s.certificates(), Refused: s.refused(),
	}
	for _, l := range s.limits() {
		sample.Limits[l.Name] = l
	}
	for _, l := range status.Limits {
		sample.Takes[l.Name] = l.TakesStatus
	}
	sample.RefusedMost = map[string][]RefusedClient{}
	for _, c := range s.refusedMost(defaultTop) {
		sample.RefusedMost[c.Limit] = append(sample.RefusedMost[c.Limit], c)
	}
	sample.Refused = sample.Refused[:min(len(sample.Refused), refusedInSample)]
	return sample
}

func (s *snapshot) sampleRoutes(passed passed) map[string]RouteSample {
	routes := map[string]RouteSample{}
	for i, r := range s.proxyRoutes() {
		view := RouteSample{Place: i, Host: r.Host, PathPrefix: r.PathPrefix, Methods: r.Methods, Limits: r.Limits}
		if r.Pool != nil {
			view.Pools = append(view.Pools, *r.Pool)
		}
		for _, part := range r.Pools {
			view.Pools = append(view.Pools, part.Pool)
		}
		routes[r.Name] = view
	}
	for name, t := range passed.now {
		view, known := routes[name]
		if !known {
			view.Place = -1
		}
		since := passed.since(name)
		view.Responses = t.responses
		view.P50, view.P99 = since.Quantile(0.5).Seconds(), since.Quantile(0.99).Seconds()
		routes[name] = view
	}
	return routes
}
