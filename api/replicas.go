package api

import (
	"context"
	"time"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/limiter/lease"
)

// Replicas are the processes that share every client's bucket.
type Replicas interface {
	// Members asks the store for those that are alive, in the order of their names.
	Members(ctx context.Context) ([]lease.Member, error)
	// Stats is what this process is doing. It asks nobody.
	Stats() lease.Stats
}

// ReplicasView is the response to GET /replicas.
type ReplicasView struct {
	// Replica is this process's name, and Alive how many there were at its last round.
	Replica string `json:"replica"`
	Alive   int    `json:"alive"`
	// Held is how many tokens this process holds, of so many clients as Leases. It may spend them
	// until SpendsUntil, unless another round succeeds before. CutOff reports whether that is over.
	Held        int64  `json:"held"`
	Leases      int64  `json:"leases"`
	SpendsUntil Moment `json:"spends_until"`
	CutOff      bool   `json:"cut_off"`
	// Error is why the store doesn't say which Replicas there are; "" if it does.
	Error    string        `json:"error"`
	Replicas []ReplicaView `json:"replicas"`
}

// ReplicaView is one of the processes that share the store.
type ReplicaView struct {
	Name string `json:"name"`
	Host string `json:"host"`
	PID  int    `json:"pid"`
	// Since is when it joined, and Expires until when the others wait for it, by the store's clock.
	Since   Moment `json:"since"`
	Expires Moment `json:"expires"`
	// Self reports whether it is the process that responds.
	Self bool `json:"self"`
}

func (s *snapshot) listReplicas(ctx *fasthttp.RequestCtx) error {
	if s.sources.Replicas == nil {
		return refuse(errUnshared, "this process shares its buckets with no other one, so there are no replicas; want store.shared = true")
	}
	within, cancel := context.WithTimeout(context.Background(), s.settings.WriteTimeout)
	defer cancel()
	members, err := s.sources.Replicas.Members(within)
	return writeJSON(ctx, fasthttp.StatusOK, viewReplicas(s.sources.Replicas.Stats(), members, err, time.Now()))
}

func viewReplicas(is lease.Stats, members []lease.Member, err error, now time.Time) ReplicasView {
	v := ReplicasView{
		Replica: is.Replica, Alive: is.Alive, Held: is.Held, Leases: is.Leases, CutOff: is.CutOff,
		Replicas: []ReplicaView{}, // [] in JSON, and not null
	}
	if !is.CutOff {
		v.SpendsUntil = Moment{now.Add(is.Until)}
	}
	if err != nil {
		v.Error = err.Error()
	}
	for _, m := range members {
		v.Replicas = append(v.Replicas, ReplicaView{
			Name: m.Name, Host: m.Host, PID: m.PID, Since: Moment{m.Since}, Expires: Moment{m.Expires}, Self: m.Name == is.Replica,
		})
	}
	return v
}

// SharedStatus is what this process does as a replica.
type SharedStatus struct {
	// Replica is its name, and Alive how many there were at its last round.
	Replica string `json:"replica"`
	Alive   int    `json:"alive"`
	// CutOff reports whether it may not spend what it holds, as it has been without the store for
	// store.lease_ttl. SpendSeconds is for how long it may, if no other round succeeds.
	CutOff       bool    `json:"cut_off"`
	SpendSeconds float64 `json:"spend_seconds"`
	// Rounds counts those that succeeded, and FailedRounds the others. LateRounds counts those of
	// the former that ended more than an interval after they were due. Expulsions counts how often
	// the others gave this one up.
	Rounds       int64 `json:"rounds"`
	FailedRounds int64 `json:"failed_rounds"`
	LateRounds   int64 `json:"late_rounds"`
	Expulsions   int64 `json:"expulsions"`
	// Held is how many tokens it holds, of so many clients as Leases.
	Held   int64 `json:"held"`
	Leases int64 `json:"leases"`
	// Waits counts the requests that waited for the store, and WaitsInVain those that got nothing.
	Waits       int64 `json:"waits"`
	WaitsInVain int64 `json:"waits_in_vain"`
}

// shared is what this process does as a replica; nil if it is none.
func (s *snapshot) shared() *SharedStatus {
	if s.sources.Replicas == nil {
		return nil
	}
	is := s.sources.Replicas.Stats()
	return &SharedStatus{
		Replica: is.Replica, Alive: is.Alive, CutOff: is.CutOff, SpendSeconds: is.Until.Seconds(),
		Rounds: is.Rounds, FailedRounds: is.FailedRounds, LateRounds: is.LateRounds, Expulsions: is.Expulsions,
		Held: is.Held, Leases: is.Leases, Waits: is.Waits, WaitsInVain: is.WaitsInVain,
	}
}
