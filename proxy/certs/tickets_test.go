package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer/tlstest"
	"gopher-equalizer/store/blob"
	"gopher-equalizer/store/memory"
)

// blobs are kept in memory, and may be away.
type blobs struct {
	Blobs
	mu   sync.Mutex
	away error
	puts int
	// before is called before each Put.
	before func()
}

func newBlobs() *blobs { return &blobs{Blobs: memory.NewBlobs(), before: func() {}} }

func (b *blobs) setAway(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = err
}

func (b *blobs) Get(ctx context.Context, key string) ([]byte, blob.Revision, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.away != nil {
		return nil, 0, b.away
	}
	return b.Blobs.Get(ctx, key)
}

func (b *blobs) Put(ctx context.Context, key string, value []byte, at blob.Revision) (blob.Revision, error) {
	b.before()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.puts++
	if b.away != nil {
		return 0, b.away
	}
	return b.Blobs.Put(ctx, key, value, at)
}

func aServer(t *testing.T) *Server {
	return NewServer(NewSet([]*Certificate{loaded(t, tlstest.NewCA(t).Issue("a.test"))}, nil))
}

// rotating runs Rotate until the test ends.
func rotating(t *testing.T, s *Server, b Blobs, log zerolog.Logger) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { s.Rotate(ctx, func() Kept { return Kept{b, time.Second} }, log); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
}

// now are the secrets, the one that tickets are made with first.
func (s *Server) now() []secret {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.secrets
}

// A secret is used for a day and accepted for a week, whether the process is one or several, and
// the next is known to all an hour before it is used.
func TestRotation(t *testing.T) {
	f := func(b Blobs) {
		synctest.Test(t, func(t *testing.T) {
			one, two := NewServer(NewSet(nil, nil)), NewServer(NewSet(nil, nil))
			rotating(t, one, b, zerolog.Nop())
			if b != nil {
				rotating(t, two, b, zerolog.Nop())
			}
			begin := time.Now()
			first := one.now()[0]
			var used []secret
			for range 10 * 24 * 6 {
				at, secrets := time.Now(), one.now()
				assert.False(t, secrets[0].From.After(at))
				assert.Less(t, at.Sub(secrets[0].From), secretUse+syncEvery)
				if len(used) == 0 || !used[len(used)-1].equal(secrets[0]) {
					used = append(used, secrets[0])
				}
				if b != nil {
					assert.True(t, secrets[0].equal(two.now()[0]) || at.Sub(secrets[0].From) < syncEvery, "%v", at.Sub(begin))
					require.True(t, contains(two.now(), secrets[0]), "the other process accepts it")
				}
				assert.Equal(t, at.Sub(begin) <= secretLife, contains(secrets, first), "%v", at.Sub(begin))
				time.Sleep(syncEvery)
				synctest.Wait()
			}
			assert.Len(t, used, 10)
			assert.LessOrEqual(t, len(one.now()), 10)
		})
	}
	f(nil)
	f(newBlobs())
}

func contains(secrets []secret, s secret) bool {
	for _, other := range secrets {
		if other.equal(s) {
			return true
		}
	}
	return false
}

// Sessions are resumed after a restart, and in another process, if their keys are stored.
func TestSessionOverRestart(t *testing.T) {
	onEachVersion(t, func(t *testing.T, client *tls.Config) {
		b := newBlobs()
		one := aServer(t)
		require.NoError(t, one.Renew(t.Context(), Kept{b, time.Second}))
		assert.False(t, resumes(t, one.Listener(plain, nil), client))
		two := aServer(t)
		assert.False(t, resumes(t, two.Listener(plain, nil), client), "before it has read them")
		require.NoError(t, two.Renew(t.Context(), Kept{b, time.Second}))
		assert.True(t, resumes(t, two.Listener(plain, nil), client), "what it made before, it accepts")
		assert.True(t, resumes(t, one.Listener(plain, nil), client))
		assert.Equal(t, 1, b.puts)
		for range 20 { // Restarts leave no secrets behind.
			require.NoError(t, aServer(t).Renew(t.Context(), Kept{b, time.Second}))
		}
		assert.Equal(t, 1, b.puts)
	})
}

// While the store is away, tickets are made and accepted, and rotated. It is said once. When it is
// there again, the processes agree, and sessions of meanwhile go on.
func TestStoreAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBlobs()
		b.setAway(errors.New("away"))
		var log bytes.Buffer
		s := NewServer(NewSet(nil, nil))
		rotating(t, s, b, zerolog.New(&log))
		first := s.now()[0]
		time.Sleep(2 * secretUse)
		synctest.Wait()
		meanwhile := s.now()[0]
		assert.False(t, meanwhile.equal(first))
		assert.True(t, contains(s.now(), first))
		b.setAway(nil)
		time.Sleep(syncEvery)
		synctest.Wait()
		other := NewServer(NewSet(nil, nil))
		rotating(t, other, b, zerolog.New(&log))
		assert.True(t, s.now()[0].equal(other.now()[0]))
		assert.True(t, contains(s.now(), first))
		assert.True(t, contains(s.now(), meanwhile))
		lines := bytes.Split(bytes.TrimSpace(log.Bytes()), []byte("\n"))
		require.Len(t, lines, 2)
		assert.Contains(t, string(lines[0]), "away")
		assert.Contains(t, string(lines[1]), "stored again")
		assert.NotContains(t, log.String(), "secret\"")
	})
}

// Two processes that renew at once agree.
func TestRenewAtOnce(t *testing.T) {
	b := newBlobs()
	one, two := NewServer(NewSet(nil, nil)), NewServer(NewSet(nil, nil))
	b.before = func() {
		b.before = func() {}
		require.NoError(t, two.Renew(t.Context(), Kept{b, time.Second}))
	}
	require.NoError(t, one.Renew(t.Context(), Kept{b, time.Second}))
	assert.True(t, one.now()[0].equal(two.now()[0]))
}

// What is stored and can't be read is replaced.
func TestStoredByAnother(t *testing.T) {
	b := newBlobs()
	for _, text := range []string{"", "x", `[{"from":"2026-01-01T00:00:00Z","secret":"AAAA"}]`, `{}`, `[]`} {
		_, err := b.Put(t.Context(), secretsKey, []byte(text), blob.Any)
		require.NoError(t, err)
		s := NewServer(NewSet(nil, nil))
		require.NoError(t, s.Renew(t.Context(), Kept{b, time.Second}))
		value, _, err := b.Get(t.Context(), secretsKey)
		require.NoError(t, err)
		assert.True(t, decodeSecrets(value)[0].equal(s.now()[0]), text)
	}
}

// A secret of a clock that was far ahead is dropped, wherever it is. One for soon isn't.
func TestClockThatWasAhead(t *testing.T) {
	for _, ahead := range []time.Duration{secretLead, 365 * 24 * time.Hour, 200 * 365 * 24 * time.Hour} {
		wrong, b := newSecret(now().Add(ahead)), newBlobs()
		value, err := json.Marshal([]secret{wrong})
		require.NoError(t, err)
		_, err = b.Put(t.Context(), secretsKey, value, blob.Any)
		require.NoError(t, err)
		for _, in := range []Kept{{}, {b, time.Second}} {
			s := NewServer(NewSet(nil, nil))
			s.secrets = []secret{wrong}
			require.NoError(t, s.Renew(t.Context(), in))
			assert.Equal(t, ahead == secretLead, contains(s.now(), wrong), ahead)
			if ahead != secretLead {
				assert.False(t, s.now()[0].From.After(now()))
			}
		}
		value, _, err = b.Get(t.Context(), secretsKey)
		require.NoError(t, err)
		assert.Equal(t, ahead == secretLead, contains(decodeSecrets(value), wrong), ahead)
	}
}
