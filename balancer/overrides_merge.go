package balancer

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"gopher-equalizer/store/blob"
)

// This file puts together what is stored and what operators said here.

// read reads what is stored, if that is unknown, and has it count where no change of ours is
// pending. The caller holds o.storing.
func (o *Overrides) read(ctx context.Context) error {
	s := &o.store
	if s.read {
		return nil
	}
	known, isKnown := s.at, s.merged
	if err := s.get(ctx); err != nil {
		return err
	}
	if isKnown && s.at == known && o.isLoaded() {
		return nil // Nobody has written since.
	}
	if s.unread != nil {
		o.log.Error().Err(s.unread).Str("key", overridesKey).
			Msg("the stored overrides of backends can't be read: the configuration counts, and they are left as they are until an operator's next override, which stores them aside")
	}
	first := !s.merged
	o.adopt()
	pools, ids := o.known()
	if n := len(unknown(s.all, ids)); first && n > 0 {
		o.log.Info().Int("backends", n).Msg("stored overrides of backends that aren't configured here are kept")
	}
	for _, p := range pools {
		p.takeAll()
	}
	return nil
}

// known are the pools, and the ids of their backends.
func (o *Overrides) known() (pools []*Pool, ids map[string]bool) {
	o.mu.Lock()
	pools = slices.Collect(maps.Keys(o.pools))
	o.mu.Unlock()
	ids = map[string]bool{}
	for _, p := range pools {
		for _, id := range p.ids() {
			ids[id] = true
		}
	}
	return pools, ids
}

// unknown are the ids of stored overrides that aren't among the known ones.
func unknown(all map[string]storedOverride, known map[string]bool) (ids []string) {
	for id := range all {
		if !known[id] {
			ids = append(ids, id)
		}
	}
	return ids
}

// adopt has what is stored count where no change of ours is pending. What it doesn't have any more
// another process has taken back. But the first time that a store is read, and if it has nothing
// that can be read, it gets what it doesn't have, and only what operators said in this process is
// kept in place of what it has: a whole override, or where that was said before the store was ever
// read, those of its values that were said.
func (o *Overrides) adopt() {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := &o.store
	keeps := !s.merged || s.at == blob.None || s.unread != nil
	for id, ours := range o.all {
		_, waits := o.pending[id]
		_, stored := s.all[id]
		switch {
		case waits, stored:
		case keeps:
			o.change(id, ours)
		default:
			delete(o.all, id)
		}
	}
	for id, stored := range s.all {
		if o.partly[id] {
			o.all[id] = o.all[id].over(stored.Override)
		}
		if _, waits := o.pending[id]; !waits || !s.merged && !o.said[id] {
			o.all[id] = stored.Override
			delete(o.pending, id)
		}
	}
	clear(o.partly)
	s.merged = true
	o.loaded = o.blobs == s.in // Use has another one read.
	o.noteSettled()
}

// write stores what is pending over what is stored. The caller holds o.storing.
func (o *Overrides) write(ctx context.Context) error {
	o.mu.Lock()
	isElsewhere := o.blobs != o.store.in // Use has woken Run.
	pending := maps.Clone(o.pending)
	all := maps.Clone(o.store.all)
	for id := range pending {
		switch is := o.all[id]; is {
		case Override{}:
			delete(all, id)
		case all[id].Override:
		default:
			all[id] = storedOverride{is, time.Now().Unix()}
		}
	}
	o.mu.Unlock()
	if isElsewhere || len(pending) == 0 {
		return nil
	}
	o.shed(all)
	if err := o.store.put(ctx, all, o.log); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, change := range pending {
		if o.pending[id] == change { // Neither the override nor the store has changed meanwhile.
			delete(o.pending, id)
		}
	}
	o.noteSettled()
	return nil
}

// maxUnknown bounds the overrides that are stored of backends which no pool here has. They may be
// those of another process, or of a backend that was removed while no process ran.
const maxUnknown = 1000

// shed drops the oldest overrides of unknown backends, if there are too many.
func (o *Overrides) shed(all map[string]storedOverride) {
	_, known := o.known()
	ids := unknown(all, known)
	if len(ids) <= maxUnknown {
		return
	}
	slices.SortFunc(ids, func(a, b string) int {
		return cmp.Or(cmp.Compare(all[a].said, all[b].said), cmp.Compare(a, b))
	})
	ids = ids[:len(ids)-maxUnknown]
	o.log.Warn().Strs("backends", ids).Int("most", maxUnknown).
		Msg("the oldest stored overrides of backends that aren't configured here are dropped")
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, id := range ids {
		delete(all, id)
		delete(o.all, id)
	}
}
