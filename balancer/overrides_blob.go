package balancer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"

	"github.com/rs/zerolog"

	"gopher-equalizer/store/blob"
)

// overridesVersion is the version of the form in which overrides are stored.
const overridesVersion = 1

// overridesFile is what is stored.
type overridesFile struct {
	Version  int                    `json:"version"`
	Backends map[string]overrideRow `json:"backends"`
}

type overrideRow struct {
	State  State `json:"state,omitempty"`
	Weight int   `json:"weight,omitempty"`
	// Said is when it was stored, in seconds of Unix time.
	Said int64 `json:"said,omitempty"`
}

// storedOverride is an override and when it was stored, in seconds of Unix time; 0 is unknown.
type storedOverride struct {
	Override
	said int64
}

// storedOverrides are what the store has, as far as it is known.
type storedOverrides struct {
	// in is where.
	in Blobs
	// merged reports whether it was read before, and put together with what was in memory.
	merged bool
	// read reports whether the following fields are what the store has.
	read bool
	all  map[string]storedOverride
	at   blob.Revision
	// value is what can't be read, and unread says why; nil if it can.
	value  []byte
	unread error
}

// waits reports whether there is something to read.
func (s *storedOverrides) waits() bool { return s.in != nil && !s.read }

// get reads what the store has.
func (s *storedOverrides) get(ctx context.Context) error {
	value, at, err := s.in.Get(ctx, overridesKey)
	switch {
	case errors.Is(err, blob.ErrNotFound):
		value, at = nil, blob.None
	case err != nil:
		return err
	}
	s.read, s.at, s.all, s.value, s.unread = true, at, map[string]storedOverride{}, nil, nil
	if at != blob.None {
		if s.all, s.unread = decodeOverrides(value); s.unread != nil {
			s.value, s.all = value, map[string]storedOverride{}
		}
	}
	return nil
}

// put stores all. What is there and can't be read is stored aside first.
func (s *storedOverrides) put(ctx context.Context, all map[string]storedOverride, log zerolog.Logger) error {
	if s.unread != nil {
		aside := fmt.Sprintf("%s.unread.%d", overridesKey, s.at)
		if _, err := s.in.Put(ctx, aside, s.value, blob.Any); err != nil {
			return err
		}
		log.Warn().Str("key", overridesKey).Str("aside", aside).
			Msg("stored overrides of backends that can't be read are kept aside")
	} else if maps.Equal(all, s.all) {
		return nil
	}
	at, err := s.in.Put(ctx, overridesKey, encodeOverrides(all), s.at)
	if err != nil {
		return err
	}
	s.all, s.at, s.value, s.unread = all, at, nil, nil
	return nil
}

func encodeOverrides(all map[string]storedOverride) []byte {
	f := overridesFile{Version: overridesVersion, Backends: map[string]overrideRow{}}
	for id, o := range all {
		f.Backends[id] = overrideRow{o.State, o.Weight, o.said}
	}
	text, _ := json.Marshal(f) // It has only strings and numbers.
	return text
}

// decodeOverrides reads what encodeOverrides has made. The error has what is wrong and what was
// wanted.
func decodeOverrides(text []byte) (map[string]storedOverride, error) {
	var version struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(text, &version); err != nil {
		return nil, fmt.Errorf("not the JSON that was wanted: %w", err)
	}
	if version.Version != overridesVersion {
		return nil, fmt.Errorf("they have version %d; want %d", version.Version, overridesVersion)
	}
	var f overridesFile
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, fmt.Errorf("not the JSON that was wanted: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows the JSON")
	}
	all := map[string]storedOverride{}
	for id, row := range f.Backends {
		o := Override{State: row.State, Weight: row.Weight}
		if err := o.Check(); err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
		if o != (Override{}) {
			all[id] = storedOverride{o, row.Said}
		}
	}
	return all, nil
}
