package certs

import (
	"cmp"
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"gopher-equalizer/store/blob"
)

// The life of the secrets that ticket keys are derived from, as that of crypto/tls's own keys.
const (
	// secretUse is for how long tickets are made with a secret.
	secretUse = 24 * time.Hour
	// secretLife is for how long tickets that were made with it are accepted, from when it is first
	// used. crypto/tls resumes no session that is older.
	secretLife = 7 * 24 * time.Hour
	// secretLead is how long before its use a secret is stored, so that other processes know it
	// before they are shown tickets that were made with it.
	secretLead = time.Hour
	// syncEvery is the time between two looks at the store, and at the clock.
	syncEvery = 10 * time.Minute
)

// secret is what the ticket keys of all policies are derived from.
type secret struct {
	// From is when tickets are first made with it.
	From  time.Time `json:"from"`
	Bytes []byte    `json:"secret"`
}

func now() time.Time { return time.Now().UTC().Truncate(time.Second) }

func newSecret(from time.Time) secret {
	s := secret{From: from, Bytes: make([]byte, sha256.Size)}
	_, _ = rand.Read(s.Bytes) // It never fails.
	return s
}

// key is the ticket key of a policy. Sessions of one policy can't be resumed under another, which
// may ask for certificates that the first one didn't.
func (s secret) key(id policyID) (key [32]byte) {
	derived, err := hkdf.Key(sha256.New, s.Bytes, id[:], "gopher-equalizer TLS session tickets", len(key))
	if err != nil {
		panic(err) // Only for lengths that this isn't.
	}
	copy(key[:], derived)
	return key
}

// ticketKeys are a policy's keys: the one that makes tickets, and the others that are accepted.
func ticketKeys(secrets []secret, id policyID) [][32]byte {
	keys := make([][32]byte, len(secrets))
	for i, s := range secrets {
		keys[i] = s.key(id)
	}
	return keys
}

// counts reports whether a secret is good at a moment: its life isn't over, and it isn't for a time
// so far ahead that the clock it was made by was wrong.
func (s secret) counts(at time.Time) bool {
	age := at.Sub(s.From)
	return -secretUse <= age && age <= secretLife
}

// renewed returns the secrets that there should be at a moment: without those that don't count, and
// with one for the time when the newest has had its use. The newest is first.
func renewed(secrets []secret, at time.Time) []secret {
	secrets = slices.Clone(secrets)
	slices.SortFunc(secrets, func(a, b secret) int {
		return cmp.Or(b.From.Compare(a.From), slices.Compare(a.Bytes, b.Bytes))
	})
	secrets = slices.CompactFunc(secrets, secret.equal)
	secrets = slices.DeleteFunc(secrets, func(s secret) bool { return !s.counts(at) })
	switch {
	case len(secrets) == 0:
		return []secret{newSecret(at)}
	case at.Sub(secrets[0].From) >= secretUse-secretLead:
		from := secrets[0].From.Add(secretUse)
		if from.Before(at) {
			from = at // Nobody was there to make it in time.
		}
		secrets = slices.Insert(secrets, 0, newSecret(from))
	}
	return secrets
}

func (s secret) equal(t secret) bool { return s.From.Equal(t.From) && slices.Equal(s.Bytes, t.Bytes) }

// inUse returns secrets in the order in which keys are used at a moment: first the foremost whose
// time has come, then the others, those for later too, as another process's clock may be ahead.
func inUse(secrets []secret, at time.Time) []secret {
	first := slices.IndexFunc(secrets, func(s secret) bool { return !s.From.After(at) })
	if first <= 0 {
		return secrets
	}
	used := []secret{secrets[first]}
	used = append(used, secrets[:first]...)
	return append(used, secrets[first+1:]...)
}

// Blobs is where secrets are kept over restarts, and shared with other processes.
type Blobs interface {
	Get(ctx context.Context, key string) (value []byte, at blob.Revision, err error)
	Put(ctx context.Context, key string, value []byte, at blob.Revision) (blob.Revision, error)
}

// Kept is where secrets are kept.
type Kept struct {
	// Blobs are nil if sessions are to end with the process.
	Blobs Blobs
	// Timeout bounds all calls of one renewal.
	Timeout time.Duration
}

// secretsKey is the blob's key.
const secretsKey = "tls/tickets"

// Rotate renews the secrets of ticket keys until ctx ends: see Renew. While the store is away,
// sessions can't be resumed after a restart, and nothing else is missed. A change of whether it is
// away is logged.
func (s *Server) Rotate(ctx context.Context, kept func() Kept, log zerolog.Logger) {
	ticks := time.NewTicker(syncEvery)
	defer ticks.Stop()
	for away := false; ; {
		err := s.Renew(ctx, kept())
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !away:
			log.Warn().Err(err).Msg("TLS session tickets are made with keys that aren't stored: sessions can't be resumed after a restart")
		case err == nil && away:
			log.Info().Msg("the keys of TLS session tickets are stored again")
		}
		away = err != nil
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
	}
}

// Renew brings the secrets, here and where they are kept, to what they should be now. Those here
// are renewed also if it fails.
func (s *Server) Renew(ctx context.Context, in Kept) error {
	s.mu.Lock()
	secrets := s.secrets
	s.mu.Unlock()
	if in.Blobs == nil {
		s.useSecrets(renewed(secrets, now()))
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, in.Timeout)
	defer cancel()
	stored, err := renewStored(ctx, in.Blobs)
	if err != nil {
		s.useSecrets(renewed(secrets, now()))
		return err
	}
	s.useSecrets(slices.Concat(stored, without(secrets, stored, now())))
	return nil
}

// without returns the secrets that aren't among others, and that count at a moment: they were used
// while the store was away.
func without(secrets, others []secret, at time.Time) []secret {
	return slices.DeleteFunc(slices.Clone(secrets), func(s secret) bool {
		return !s.counts(at) || slices.ContainsFunc(others, s.equal)
	})
}

// renewStored renews the secrets that are stored, and returns them. If another process was faster,
// it looks again.
func renewStored(ctx context.Context, blobs Blobs) ([]secret, error) {
	for {
		value, at, err := blobs.Get(ctx, secretsKey)
		if err != nil && !errors.Is(err, blob.ErrNotFound) {
			return nil, fmt.Errorf("reading the keys of TLS session tickets: %w", err)
		}
		stored := decodeSecrets(value)
		all := renewed(stored, now())
		if slices.EqualFunc(all, stored, secret.equal) {
			return all, nil
		}
		value, err = json.Marshal(all)
		if err == nil {
			_, err = blobs.Put(ctx, secretsKey, value, at)
		}
		switch {
		case err == nil:
			return all, nil
		case !errors.Is(err, blob.ErrRevision):
			return nil, fmt.Errorf("storing the keys of TLS session tickets: %w", err)
		}
	}
}

// decodeSecrets reads what renewStored has stored. What isn't that is no secret, and is replaced.
func decodeSecrets(value []byte) []secret {
	var all []secret
	if json.Unmarshal(value, &all) != nil {
		return nil
	}
	return slices.DeleteFunc(all, func(s secret) bool { return len(s.Bytes) != sha256.Size })
}
