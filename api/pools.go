package api

import (
	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy/meter"
)

// PoolStatus is a pool, in JSON. GET /backends has its backends.
type PoolStatus struct {
	Name     string            `json:"name"`
	Strategy balancer.Strategy `json:"strategy"`
	// Backends is how many there are, and Available how many of them get requests now.
	Backends  int `json:"backends"`
	Available int `json:"available"`
	// InFlight counts the requests that its backends have now, and MaxInFlight bounds them; 0 is no
	// bound.
	InFlight    int64       `json:"in_flight"`
	MaxInFlight int64       `json:"max_in_flight"`
	Queue       QueueStatus `json:"queue"`
}

// QueueStatus is what waits for a place at a pool's backends, in JSON.
type QueueStatus struct {
	// Waiting counts the requests that wait now, and Max is how many may.
	Waiting int `json:"waiting"`
	Max     int `json:"max"`
	// Waited counts those that got a place after a wait, and Wait is how long that was.
	Waited int64     `json:"waited"`
	Wait   Quantiles `json:"wait"`
	// Refused counts those for which the queue was full, TimedOut those that waited too long, and
	// Left those whose clients left.
	Refused  int64 `json:"refused"`
	TimedOut int64 `json:"timed_out"`
	Left     int64 `json:"left"`
}

// Quantiles are how long things took since the start of the process, in seconds; 0 if there were
// none.
type Quantiles struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
}

func quantilesOf(d *meter.Distribution) Quantiles {
	of := func(q float64) float64 { return d.Quantile(q).Seconds() }
	return Quantiles{P50: of(0.5), P90: of(0.9), P99: of(0.99)}
}

// pools are those of the balancer; [] in JSON if there are none.
func (s *snapshot) pools() []PoolStatus {
	all := []PoolStatus{}
	for _, p := range s.balancerPools() {
		view := PoolStatus{
			Name: p.Name, Strategy: p.Strategy, Backends: p.Backends, Available: p.Available,
			InFlight: p.InFlight, MaxInFlight: p.MaxInFlight,
			Queue: QueueStatus{
				Waiting: p.Queue.Waiting, Max: p.Queue.Length,
				Waited: p.Queue.Waits.Count(), Wait: quantilesOf(&p.Queue.Waits),
				TimedOut: p.Queue.TimedOut, Left: p.Queue.Left,
			},
		}
		for _, n := range p.Queue.Refused {
			view.Queue.Refused += n
		}
		all = append(all, view)
	}
	return all
}

func (s *snapshot) balancerPools() []balancer.PoolStatus {
	if s.sources.Pools == nil {
		return nil
	}
	return s.sources.Pools()
}
